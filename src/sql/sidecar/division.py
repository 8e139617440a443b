"""Division by zero, with Spark's errors."""
from kinds import text

ZERO = "[DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead. If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error. SQLSTATE: 22012"
MODULO_ZERO = "[REMAINDER_BY_ZERO] Remainder by zero. Use `try_mod` to tolerate divisor being 0 and return NULL instead. If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error. SQLSTATE: 22012"
INTERVAL_ZERO = "[INTERVAL_DIVIDED_BY_ZERO] Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead. SQLSTATE: 22012"


def if_zero(right, left, result, message):
    """The quotient, or an error for a zero divisor; a NULL on either side gives NULL first."""
    if right.is_literal and isinstance(right.lit, (int, float)) and right.lit != 0:
        return result
    return f"CASE WHEN {right.sql} = 0 AND {left.sql} IS NOT NULL THEN error({text(message)}) ELSE {result} END"
