#pragma once
// system.lakeflow: jobs, job_run_timeline and job_task_run_timeline, of every workspace of the account, made when they are asked for.
// Source: Databricks docs "Jobs system table reference".
#include "catalog/metastores.h"
#include "jobs/service.h"
#include "sql/system_tables.h"

namespace tarn::app {

/// The tables with their rows; the service must outlive them.
std::vector<sql::RoomTable> lakeflow_tables(jobs::Service& jobs, const std::string& account_id);
/// The same as securables of the system catalog.
std::vector<catalog::SystemTable> securables_of(const std::vector<sql::RoomTable>& tables);

}  // namespace tarn::app
