#include "ml/artifacts.h"

#include "ml/checks.h"

namespace tarn::ml {
namespace {
constexpr Millis kHour = 3'600'000;
constexpr std::size_t kMostPaths = 2000, kListed = 1000;
}  // namespace

Result<objects::Url> Artifacts::behind(std::int64_t workspace_id, std::string_view uri) {
  const std::string prefix = std::string(kArtifactRoot) + "/";
  if (!uri.starts_with(prefix))
    return refuse(Errc::invalid, fmt::format("The artifacts at '{}' are not in the workspace's own storage: use credentials of that storage", uri));
  const auto workspace = workspaces_.by_id(workspace_id);
  if (!workspace || workspace->root_bucket.empty()) return refuse(Errc::invalid_state, "The workspace has no root storage");
  uri.remove_prefix(prefix.size());
  TARN_TRY(rest, checked_artifact_path(uri));
  return objects::Url{workspace->root_bucket, fmt::format("{}/mlflow-tracking/{}", workspace_id, rest)};
}

Result<std::vector<ArtifactCredential>> Artifacts::presigned(const objects::Url& root, const std::vector<std::string>& paths, bool write,
                                                             const std::string& run_id) {
  if (paths.size() > kMostPaths)
    return refuse(Errc::invalid, fmt::format("Field 'path' must have at most {} entries, got {}", kMostPaths, paths.size()));
  std::vector<ArtifactCredential> out;
  for (const auto& raw : paths) {
    TARN_TRY(path, checked_artifact_path(raw));
    if (path.empty()) return refuse(Errc::invalid, "Field 'path' must name a file");
    ArtifactCredential c{.path = raw, .signed_uri = vendor_.presign(write ? "PUT" : "GET", {root.bucket, root.key + "/" + path}, kHour)};
    if (!run_id.empty()) c.run_id = run_id;
    out.push_back(std::move(c));
  }
  return out;
}

Result<std::vector<ArtifactCredential>> Artifacts::for_run(const access::Context& ctx, const std::string& run_id,
                                                           const std::vector<std::string>& paths, bool write) {
  TARN_CHECK(runs_.require(ctx, run_id, write ? kEdit : kRead));
  TARN_TRY(run, runs_.get(ctx, run_id));
  TARN_TRY(root, behind(*ctx.workspace_id, run.info.artifact_uri));
  return presigned(root, paths, write, run_id);
}

Result<std::vector<ArtifactCredential>> Artifacts::for_model(const access::Context& ctx, const std::string& model_id,
                                                             const std::vector<std::string>& paths, bool write) {
  TARN_CHECK(models_.require(ctx, model_id, write ? kEdit : kRead));
  TARN_TRY(model, models_.get(ctx, model_id));
  TARN_TRY(root, behind(*ctx.workspace_id, model.info.artifact_uri));
  return presigned(root, paths, write, {});
}

Result<Artifacts::Listing> Artifacts::listed(const objects::Url& root, const std::string& root_uri, const std::string& raw,
                                             const std::string& after) {
  TARN_TRY(path, checked_artifact_path(raw));
  Listing out{.root_uri = root_uri};
  const std::string top = root.key + "/", here = path.empty() ? top : top + path + "/";
  const auto page = objects_.list(root.bucket, here, after, kListed, "/");
  if (!page) return refuse(Errc::invalid_state, page.error().message);
  for (const auto& folder : page->common_prefixes) {
    std::string name = folder.substr(top.size());
    while (name.ends_with('/')) name.pop_back();
    out.files.push_back({.path = name, .is_dir = true});
  }
  for (const auto& o : page->objects)
    if (o.key != here) out.files.push_back({.path = o.key.substr(top.size()), .is_dir = false, .file_size = static_cast<std::int64_t>(o.size)});
  std::ranges::sort(out.files, {}, &FileInfo::path);
  if (page->truncated) out.next = page->next;
  if (out.files.empty() && !path.empty())
    if (const auto file = objects_.head({root.bucket, top + path})) out.files.push_back({path, false, static_cast<std::int64_t>(file->size)});
  return out;
}

Result<Artifacts::Listing> Artifacts::list_run(const access::Context& ctx, const std::string& run_id, const std::string& path,
                                               const std::string& after) {
  TARN_TRY(run, runs_.get(ctx, run_id));
  TARN_TRY(root, behind(*ctx.workspace_id, run.info.artifact_uri));
  return listed(root, run.info.artifact_uri, path, after);
}

Result<Artifacts::Listing> Artifacts::list_model(const access::Context& ctx, const std::string& model_id, const std::string& path,
                                                 const std::string& after) {
  TARN_TRY(model, models_.get(ctx, model_id));
  TARN_TRY(root, behind(*ctx.workspace_id, model.info.artifact_uri));
  return listed(root, model.info.artifact_uri, path, after);
}

}  // namespace tarn::ml
