#pragma once
// What jobs ask of other rooms, answered by those rooms: statements, clusters and execution contexts, workspace files.
#include "compute/contexts.h"
#include "init_scripts/scripts.h"
#include "jobs/ports.h"
#include "queries/objects.h"
#include "sql/statements.h"
#include "workspace/tree.h"

namespace tarn::app {

/// A text of several statements runs one after another in a session of its own, up to the first that fails. Its handle is its first statement's id.
class JobStatements final : public jobs::SqlWork {
 public:
  explicit JobStatements(sql::Statements& statements);
  Expected<std::string, std::string> start(const access::Context& ctx, const std::string& warehouse_id, const std::string& statement,
                                           const std::map<std::string, std::string>& parameters, jobs::Ended ended) override;
  void cancel(const access::Context& ctx, const std::string& id) override;

 private:
  struct Scripts;
  sql::Statements& statements_;
  const std::shared_ptr<Scripts> scripts_;  // those that run
};

class JobClusters final : public jobs::CodeWork {
 public:
  JobClusters(compute::Clusters& clusters, compute::Contexts& contexts) : clusters_(clusters), contexts_(contexts) {}
  Expected<void, std::string> ensure(const access::Context& ctx, const std::string& cluster_id) override;
  Expected<std::string, std::string> create(const access::Context& ctx, const json::value& new_cluster, const std::string& name) override;
  void discard(const std::string& cluster_id) override { clusters_.discard(cluster_id); }
  void keep_only(const std::set<std::string>& cluster_ids) override;
  Cluster state(const std::string& cluster_id) override;
  Expected<void, std::string> check(const access::Context& ctx, const json::value& new_cluster) override;
  Expected<std::string, std::string> start(const access::Context& ctx, const std::string& cluster_id, const std::string& code, jobs::Ended ended,
                                           jobs::Printed printed) override;
  void resume(const access::Context& ctx, const std::string& cluster_id, const std::string& handle, jobs::Ended ended,
              jobs::Printed printed) override;
  void cancel(const std::string& handle) override { contexts_.stop_run(handle); }

 private:
  compute::Clusters& clusters_;
  compute::Contexts& contexts_;
};

class JobFiles final : public jobs::WorkspaceFiles {
 public:
  JobFiles(workspace::Tree& tree, queries::Objects& queries) : tree_(tree), queries_(queries) {}
  Expected<File, std::string> read(const access::Context& ctx, const std::string& path) override;
  Expected<std::string, std::string> query(const access::Context& ctx, const std::string& id) override;

 private:
  workspace::Tree& tree_;
  queries::Objects& queries_;
};

/// A cluster's init scripts: the workspace's global ones, then those of workspace files that it names, read as its creator.
class ClusterScripts final : public compute::InitScripts {
 public:
  ClusterScripts(init_scripts::Scripts& global, JobFiles& files, identity::Directory& directory)
      : global_(global), files_(files), directory_(directory) {}
  Expected<std::vector<compute::InitScriptText>, std::string> scripts(const compute::ClusterRecord& cluster) override;

 private:
  init_scripts::Scripts& global_;
  JobFiles& files_;
  identity::Directory& directory_;
};

}  // namespace tarn::app
