#pragma once
// Files of runs and logged models. Their names are dbfs:/databricks/mlflow-tracking/EXPERIMENT/RUN/artifacts; their bytes lie in the
// workspace's root bucket under WORKSPACE/mlflow-tracking/, reached with presigned URLs for one object each, for an hour. An experiment with an
// artifact location of its own keeps its files where that says, with the caller's own credentials: nothing is vended for it here.
// Source: MLflow's databricks_artifacts.proto.
#include "account/workspaces.h"
#include "ml/runs.h"
#include "objects/object_store.h"

namespace tarn::ml {

struct HttpHeader {
  std::string name, value;
};
BOOST_DESCRIBE_STRUCT(HttpHeader, (), (name, value))
struct ArtifactCredential {
  std::optional<std::string> run_id;
  std::string path, signed_uri;
  std::vector<HttpHeader> headers;
  std::string type = "AWS_PRESIGNED_URL";
};
BOOST_DESCRIBE_STRUCT(ArtifactCredential, (), (run_id, path, signed_uri, headers, type))

class Artifacts {
 public:
  Artifacts(Runs& runs, LoggedModels& models, account::WorkspaceDirectory& workspaces, objects::ObjectStore& objects,
            objects::CredentialVendor& vendor)
      : runs_(runs), models_(models), workspaces_(workspaces), objects_(objects), vendor_(vendor) {}

  /// Reading needs CAN_READ on the experiment, writing CAN_EDIT. invalid: a path with tricks, or too many (2000).
  Result<std::vector<ArtifactCredential>> for_run(const access::Context& ctx, const std::string& run_id, const std::vector<std::string>& paths,
                                                  bool write);
  Result<std::vector<ArtifactCredential>> for_model(const access::Context& ctx, const std::string& model_id, const std::vector<std::string>& paths,
                                                    bool write);
  struct Listing {
    std::string root_uri;
    std::vector<FileInfo> files;
    std::string next;
  };
  /// Files and folders directly below a path; a path that is a file lists itself.
  Result<Listing> list_run(const access::Context& ctx, const std::string& run_id, const std::string& path, const std::string& after);
  Result<Listing> list_model(const access::Context& ctx, const std::string& model_id, const std::string& path, const std::string& after);

  /// Where the bytes behind a dbfs:/databricks/mlflow-tracking URI of this workspace are; invalid for others. For the model registry.
  Result<objects::Url> behind(std::int64_t workspace_id, std::string_view artifact_uri);

 private:
  Result<std::vector<ArtifactCredential>> presigned(const objects::Url& root, const std::vector<std::string>& paths, bool write,
                                                    const std::string& run_id);
  Result<Listing> listed(const objects::Url& root, const std::string& root_uri, const std::string& path, const std::string& after);
  Runs& runs_;
  LoggedModels& models_;
  account::WorkspaceDirectory& workspaces_;
  objects::ObjectStore& objects_;
  objects::CredentialVendor& vendor_;
};

}  // namespace tarn::ml
