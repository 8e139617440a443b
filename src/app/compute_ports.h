#pragma once
// What compute asks of other rooms, and what it gives the system catalog.
#include "app/job_ports.h"
#include "billing/usage.h"
#include "compute/libraries.h"
#include "repos/targets.h"
#include "workspace/tree.h"

namespace tarn::files {
class VolumeFiles;
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

}  // namespace tarn::app
