"""Parts of pages that programs write, between two marks."""

import sys


def replace_marked(page: str, mark: str, content: str, command: str) -> str:
    """The page with what stands between the two marks replaced.

    Args:
        command: What makes it, as the first mark says.
    """
    begin, end = f"<!-- {mark}: made by `{command}` -->\n", f"<!-- end of {mark} -->"
    head, found, rest = page.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        sys.exit(f"error: the page lacks the marks of '{mark}'")
    return f"{head}{begin}{content}\n{end}{tail}"
