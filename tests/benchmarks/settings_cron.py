"""Those of the benchmarks with twenty schedules, each with a cron expression of its own."""

from tests.benchmarks.settings import *  # noqa: F403

SCHEDULES = {
    f"s{number}": {"task": "tests.app.tasks.leave_trace", "args": ["trace"], "cron": f"{number} 3 * * *"}
    for number in range(20)
}
