"""Pools, policies, instance profiles, clusters and jobs with the vendor's provider: apply, plan clean, change, import, destroy."""
import pytest

from harness import platform
from terraform import Terraform


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


POOL = """
resource "databricks_instance_pool" "small" {
  instance_pool_name                    = "ip_of_this_test"
  node_type_id                          = "m6g.large"
  min_idle_instances                    = 0
  max_capacity                          = %d
  idle_instance_autotermination_minutes = 10
  custom_tags = { team = "data" }
  aws_attributes {
    availability = "ON_DEMAND"
    zone_id      = "eu-central-1a"
  }
}
resource "databricks_instance_profile" "data" {
  instance_profile_arn = "arn:aws:iam::123456789012:instance-profile/data"
  skip_validation      = true
}
resource "databricks_permissions" "pool" {
  instance_pool_id = databricks_instance_pool.small.id
  access_control {
    group_name       = "users"
    permission_level = "CAN_ATTACH_TO"
  }
}
"""


def test_pools_and_profiles(server):
    with Terraform(server) as tf:
        tf.prove(POOL % 10, POOL % 12, imports=["databricks_instance_pool.small", "databricks_instance_profile.data"])


POLICY = """
resource "databricks_instance_pool" "small" {
  instance_pool_name                    = "for_policy"
  node_type_id                          = "m6g.large"
  idle_instance_autotermination_minutes = 10
}
resource "databricks_cluster_policy" "small" {
  name                  = "small"
  max_clusters_per_user = %d
  definition = jsonencode({
    "instance_pool_id"        = { type = "fixed", value = databricks_instance_pool.small.id, hidden = true }
    "spark_version"           = { type = "regex", pattern = "1[4-7]\\\\..*" }
    "autoscale.max_workers"   = { type = "range", maxValue = 4, defaultValue = 2, isOptional = true }
    "autotermination_minutes" = { type = "fixed", value = 20 }
    "custom_tags.team"        = { type = "fixed", value = "ml" }
    "dbus_per_hour"           = { type = "range", maxValue = 10 }
  })
}
resource "databricks_cluster_policy" "personal" {
  name                               = "Personal Compute"
  policy_family_id                   = "personal-vm"
  policy_family_definition_overrides = jsonencode({ "autotermination_minutes" = { type = "fixed", value = 60 } })
}
resource "databricks_permissions" "policy" {
  cluster_policy_id = databricks_cluster_policy.small.id
  access_control {
    group_name       = "users"
    permission_level = "CAN_USE"
  }
}
"""


def test_policies(server):
    with Terraform(server) as tf:
        tf.prove(POLICY % 1, POLICY % 2, imports=["databricks_cluster_policy.small"])
        refusal = tf.refused('resource "databricks_cluster_policy" "no" {\n name = "no"\n definition = jsonencode({ "num_workers" = { type = "range", minValue = 9, maxValue = 3 } })\n}')
        assert "'minValue' 9 is above 'maxValue' 3" in refusal


def test_data_sources(server):
    with Terraform(server) as tf:
        out = tf.apply("""
data "databricks_node_type" "smallest" { local_disk = true }
data "databricks_node_type" "gpu" { min_gpus = 1 }
data "databricks_spark_version" "lts" { long_term_support = true }
data "databricks_spark_version" "gpu" {
  gpu = true
  ml  = true
}
data "databricks_zones" "here" {}
data "databricks_cluster_policy" "personal" { name = "Personal Compute" }
output "all" {
  value = [data.databricks_node_type.smallest.id, data.databricks_node_type.gpu.id, data.databricks_spark_version.lts.id,
    data.databricks_spark_version.gpu.id, data.databricks_zones.here.default_zone, data.databricks_cluster_policy.personal.policy_family_id]
}
""")
        smallest, gpu, lts, gpu_version, zone, family = out["all"]
        assert gpu.startswith("g") and "gpu-ml" in gpu_version and "scala" in lts and zone.endswith("a") and family == "personal-vm"
        assert smallest != gpu


CLUSTER = """
data "databricks_spark_version" "lts" { long_term_support = true }
resource "databricks_cluster" "shared" {
  cluster_name            = "shared"
  spark_version           = data.databricks_spark_version.lts.id
  node_type_id            = "m6g.large"
  num_workers             = 0
  autotermination_minutes = %d
  is_pinned               = true
  data_security_mode      = "USER_ISOLATION"
  spark_conf   = { "spark.databricks.cluster.profile" = "singleNode", "spark.master" = "local[*]" }
  custom_tags  = { "ResourceClass" = "SingleNode" }
  spark_env_vars = { "STAGE" = "test" }
}
resource "databricks_permissions" "shared" {
  cluster_id = databricks_cluster.shared.id
  access_control {
    group_name       = "users"
    permission_level = "CAN_ATTACH_TO"
  }
}
"""


def test_clusters(server):
    with Terraform(server) as tf:
        tf.prove(CLUSTER % 20, CLUSTER % 30, imports=["databricks_cluster.shared"])


# The provider sorts tasks by their keys: written in another order, its own plan is never clean.
JOB = """
resource "databricks_job" "inner" { name = "inner" }
resource "databricks_job" "etl" {
  name                = "etl"
  max_concurrent_runs = %d
  tags                = { team = "data" }
  parameter {
    name    = "day"
    default = "mon"
  }
  schedule {
    quartz_cron_expression = "0 0 6 * * ?"
    timezone_id            = "Europe/Berlin"
  }
  queue { enabled = true }
  job_cluster {
    job_cluster_key = "main"
    new_cluster {
      spark_version = "15.4.x-scala2.12"
      node_type_id  = "m6g.large"
      num_workers   = 1
    }
  }
  task {
    task_key        = "a_extract"
    job_cluster_key = "main"
    notebook_task { notebook_path = "/Shared/extract" }
    max_retries               = 2
    min_retry_interval_millis = 1000
  }
  task {
    task_key = "b_gate"
    depends_on { task_key = "a_extract" }
    condition_task {
      op    = "EQUAL_TO"
      left  = "{{job.parameters.day}}"
      right = "mon"
    }
  }
  task {
    task_key = "c_call"
    depends_on {
      task_key = "b_gate"
      outcome  = "true"
    }
    run_job_task { job_id = databricks_job.inner.id }
  }
}
resource "databricks_permissions" "etl" {
  job_id = databricks_job.etl.id
  access_control {
    group_name       = "users"
    permission_level = "CAN_VIEW"
  }
}
"""


def test_jobs(server):
    with Terraform(server) as tf:
        tf.prove(JOB % 1, JOB % 3, imports=["databricks_job.etl"])
