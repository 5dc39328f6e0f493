"""What is known to fail, and shall not for long: (target, parameter, value), "*" for any."""

EXPECTED: list[tuple[str, str, str]] = []
