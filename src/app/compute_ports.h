#pragma once
// What compute asks of other rooms, and what it gives the system catalog.
#include <sys/types.h>

#include <mutex>
#include <thread>

#include "app/job_ports.h"
#include "billing/usage.h"
#include "compute/cluster_logs.h"
#include "compute/libraries.h"
#include "objects/object_store.h"
#include "repos/targets.h"
#include "workspace/tree.h"

namespace tarn::files {
class Dbfs;
class VolumeFiles;
}  // namespace tarn::files
namespace tarn::catalog {
class Catalog;
}

namespace tarn::app {

/// Libraries' files, read as the one who asked for them; indexes, held to the operator's list.
class LibraryFiles final : public compute::LibrarySource {
 public:
  LibraryFiles(workspace::Tree& tree, files::VolumeFiles& volumes, identity::Directory& directory, std::vector<std::string> allowed)
      : tree_(tree), volumes_(volumes), directory_(directory), targets_(std::move(allowed)) {}
  Expected<std::string, std::string> file(std::int64_t workspace_id, std::int64_t principal_id, const std::string& path) override;
  std::optional<std::string> refused_index(const std::string& url) override;

 private:
  workspace::Tree& tree_;
  files::VolumeFiles& volumes_;
  identity::Directory& directory_;
  const repos::Targets targets_;
};

/// Clusters' logs, written as who made the cluster: to DBFS, to a volume (WRITE VOLUME), to a path of S3 (WRITE FILES on its external location).
class LogFiles final : public compute::LogDestinations {
 public:
  LogFiles(files::Dbfs& dbfs, files::VolumeFiles& volumes, catalog::Catalog& catalog, objects::ObjectStore& objects, identity::Directory& directory)
      : dbfs_(dbfs), volumes_(volumes), catalog_(catalog), objects_(objects), directory_(directory) {}
  Expected<void, std::string> put(const compute::ClusterRecord& cluster, const std::string& path, const std::string& file) override;

 private:
  files::Dbfs& dbfs_;
  files::VolumeFiles& volumes_;
  catalog::Catalog& catalog_;
  objects::ObjectStore& objects_;
  identity::Directory& directory_;
};

/// Apache Spark's files: the pins of group `spark`, fetched by the same script that fetched everything else, when a cluster first wants them.
class SparkFiles final : public compute::RuntimeFiles {
 public:
  ~SparkFiles() override { stop(); }
  Answer want(const std::string& runtime) override;
  /// Ends a fetch that runs.
  void stop();

 private:
  std::mutex mutex_;
  bool stopped_ = false;
  std::string failed_;
  Millis failed_at_ = 0;
  std::optional<pid_t> child_;
  std::jthread thread_;
};

}  // namespace tarn::app
