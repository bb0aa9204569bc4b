"""The explorer's page: the template that `web/explorer` builds, and what fills it."""
