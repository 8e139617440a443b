"""What a user of the vendor's Python SDK does with compute: a command on a cluster, a job, its run."""
import json
import os

from databricks.sdk import WorkspaceClient
from databricks.sdk.service import compute, jobs

w = WorkspaceClient()
cluster = os.environ["CLUSTER"]
context = w.command_execution.create(cluster_id=cluster, language=compute.Language.PYTHON).result()
answer = w.command_execution.execute(cluster_id=cluster, context_id=context.id, language=compute.Language.PYTHON, command="6 * 7").result()
w.command_execution.destroy(cluster_id=cluster, context_id=context.id)
made = w.jobs.create(name="from the sdk", tasks=[jobs.Task(task_key="c", condition_task=jobs.ConditionTask(op=jobs.ConditionTaskOp.EQUAL_TO, left="1", right="1"))])
run = w.jobs.run_now(job_id=made.job_id).result()
found = [j for j in w.jobs.list(name="from the sdk")]
w.jobs.delete(job_id=made.job_id)
print(json.dumps({"answer": answer.results.data, "jobs": len(found), "condition": run.tasks[0].state.result_state.value}))
