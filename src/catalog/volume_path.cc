#include "catalog/volume_path.h"

#include "objects/keys.h"

namespace tarn::catalog {

Result<VolumePath> VolumePath::parse(std::string_view path) {
  const auto refused = [&](const std::string& why) {
    return fail(Error{Errc::invalid, "Invalid path: '" + std::string(path.substr(0, 300)) + "'" + why});
  };
  std::vector<std::string> parts;
  std::string_view rest = path;
  while (rest.starts_with('/')) rest.remove_prefix(1);
  while (parts.size() < 4 && !rest.empty()) {
    const auto slash = rest.find('/');
    parts.emplace_back(rest.substr(0, slash));
    rest = slash == rest.npos ? std::string_view() : rest.substr(slash + 1);
  }
  if (parts.size() < 4 || parts[0] != "Volumes" || parts[1].empty() || parts[2].empty() || parts[3].empty())
    return refused(". The path must begin with /Volumes/<catalog>/<schema>/<volume>");
  for (const auto& p : parts)
    if (p.find('.') != p.npos) return refused(": names of catalogs, schemas and volumes hold no period");
  const auto relative = objects::clean_path(rest);
  if (!relative) return fail(Error{Errc::invalid, "Invalid path: " + relative.error().message});
  return VolumePath{.volume = parts[1] + "." + parts[2] + "." + parts[3],
                    .names = {parts.begin() + 1, parts.end()},
                    .relative = *relative,
                    .root = "/Volumes/" + parts[1] + "/" + parts[2] + "/" + parts[3]};
}

}  // namespace tarn::catalog
