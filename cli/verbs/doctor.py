"""`vae-edge doctor`: what is installed here, what of it works, and what to do about the rest."""

from __future__ import annotations

import typer

__all__ = ["doctor"]

SIGNS = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}


def doctor(context: typer.Context) -> None:
    """Look at this machine: ONNX Runtime's wheel and providers, CUDA, CPUs, NumPy, the built-in bundles, the extras.

    Each finding that is no "ok" says what to do. Exits with 3 where something keeps bundles from running.

    \b
    Examples:
      vae-edge doctor
      vae-edge doctor --json
    """
    from vae_edge.cli.reports.findings import examine

    findings = examine()
    lines = []
    for finding in findings:
        lines.append(f"{SIGNS[finding.status]}  {finding.subject}: {finding.found}")
        if finding.remedy:
            lines.append(f"         -> {finding.remedy}")
    problems = sum(finding.status == "problem" for finding in findings)
    lines.append(f"{problems} {'problem' if problems == 1 else 'problems'}" if problems else "no problems")
    context.obj.result(
        {
            "ok": not problems,
            "findings": [
                {"subject": f.subject, "status": f.status, "found": f.found, "remedy": f.remedy} for f in findings
            ],
        },
        "\n".join(lines),
    )
    if problems:
        raise typer.Exit(3)
