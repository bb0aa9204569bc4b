"""The command line: `app` finds the verb, `verbs/` holds them, `reading/` and `writing/` their files."""
