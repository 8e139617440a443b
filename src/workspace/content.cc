#include "workspace/content.h"

#include "base/ids.h"
#include "base/log.h"

namespace tarn::workspace {

Result<objects::Url> Content::url(std::int64_t workspace_id, const std::string& blob) const {
  const auto bucket = roots_(workspace_id);
  if (!bucket) return refuse(Errc::unavailable, "The workspace has no root storage");
  return objects::Url{*bucket, fmt::format("{}/workspace-files/{}", workspace_id, blob)};
}

Result<Content::Written> Content::write(std::int64_t workspace_id, const Bytes& bytes) {
  Written out{.blob = new_uuid()};
  TARN_TRY(at, url(workspace_id, out.blob));
  auto done = bytes.file.empty() ? objects_.put(at, bytes.memory) : objects_.put_file(at, bytes.file);
  if (!done) return refuse(Errc::unavailable, "The workspace's storage cannot be written: " + done.error().message);
  out.size = static_cast<std::int64_t>(done->size);
  return out;
}

Result<std::string> Content::read(std::int64_t workspace_id, const std::string& blob, std::uint64_t offset, std::optional<std::uint64_t> length) {
  TARN_TRY(at, url(workspace_id, blob));
  auto found = objects_.get(at, offset, length);
  if (!found) return refuse(Errc::unavailable, "The workspace's storage cannot be read: " + found.error().message);
  return *std::move(found);
}

std::optional<std::string> Content::local_path(std::int64_t workspace_id, const std::string& blob) {
  const auto at = url(workspace_id, blob);
  return at ? objects_.local_path(*at) : std::nullopt;
}

void Content::remove(std::int64_t workspace_id, const std::string& blob) noexcept {
  if (blob.empty()) return;
  try {
    const auto at = url(workspace_id, blob);
    if (at && !objects_.remove(*at)) spdlog::warn("a blob without an object stays workspace={} blob={}", workspace_id, blob);
  } catch (const std::exception& e) {
    spdlog::warn("a blob without an object stays workspace={} blob={} cause={}", workspace_id, blob, e.what());
  }
}

}  // namespace tarn::workspace
