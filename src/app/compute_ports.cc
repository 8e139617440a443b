#include "app/compute_ports.h"

#include <fstream>
#include <sstream>

#include "files/volumes.h"

namespace tarn::app {
namespace {

constexpr std::uint64_t kMostLibrary = 256u << 20;

}  // namespace

Expected<std::string, std::string> LibraryFiles::file(std::int64_t workspace_id, std::int64_t principal_id, const std::string& path) {
  access::Context ctx;
  ctx.workspace_id = workspace_id;
  ctx.request_id = "library";
  auto who = directory_.caller(principal_id, workspace_id);
  if (!who) return fail(std::string("Whoever asked for this library is gone from the workspace"));
  ctx.caller = *std::move(who);
  if (path.starts_with("/Volumes/")) {
    auto place = files::VolumeFiles::parse(path);
    if (!place) return fail(place.error().message);
    auto file = volumes_.file(ctx, *place);
    if (!file) return fail(file.error().message);
    if (file->entry.size > kMostLibrary) return fail(fmt::format("{} has {} bytes, the most is {}", path, file->entry.size, kMostLibrary));
    auto bytes = volumes_.read(ctx, *place, 0, file->entry.size);
    if (!bytes) return fail(bytes.error().message);
    return *std::move(bytes);
  }
  const auto at = workspace::parse_path(path);
  if (!at) return fail(at.error().message);
  auto exported = tree_.export_object(ctx, *at, workspace::Format::AUTO);
  if (!exported) return fail(exported.error().message);
  if (exported->size > kMostLibrary) return fail(fmt::format("{} has {} bytes, the most is {}", path, exported->size, kMostLibrary));
  if (!exported->local_file) return std::move(exported->content);
  std::ifstream in(*exported->local_file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::optional<std::string> LibraryFiles::refused_index(const std::string& url) {
  const auto target = targets_.resolve(url);
  if (target) return std::nullopt;
  switch (target.error().code) {
    case repos::Errc::not_allowed:
      return "'" + url.substr(0, 200) +
             "' has a loopback, link-local or private address; the operator may list its host with `tarn serve --allow-library HOST`";
    case repos::Errc::unavailable:
      return "the host of '" + url.substr(0, 200) + "' does not resolve";
    default:
      return "'" + url.substr(0, 200) + "' is not the https URL of a package index without user, password, query and fragment";
  }
}

}  // namespace tarn::app
