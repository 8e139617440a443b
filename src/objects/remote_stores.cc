#include "objects/remote_stores.h"

#include <sys/stat.h>

#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "base/log.h"
#include "objects/keys.h"

namespace tarn::objects {
namespace {

/// `*` stands for any text.
bool matches(std::string_view pattern, std::string_view name) {
  const auto star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  const auto rest = pattern.substr(star + 1);
  for (std::size_t at = star; at <= name.size(); ++at)
    if (matches(rest, name.substr(at))) return true;
  return false;
}

std::optional<std::string> wrong_endpoint(const std::string& text) {
  const auto scheme = text.starts_with("https://") ? 8u : text.starts_with("http://") ? 7u : 0u;
  if (scheme == 0) return "must begin with https:// or http://, got '" + text + "'";
  if (text.size() == scheme || text.find_first_of("/?#@ ", scheme) != std::string::npos)
    return "must be a host with an optional port, without path or user, got '" + text + "'";
  return std::nullopt;
}

std::string trimmed(const std::string& text) {
  const auto from = text.find_first_not_of(" \t\r");
  return from == std::string::npos ? "" : text.substr(from, text.find_last_not_of(" \t\r") + 1 - from);
}

std::string without_slash(std::string text) {
  while (text.ends_with('/')) text.pop_back();
  return text;
}

}  // namespace

Expected<RemoteConfig, std::string> read_remote_config(const std::string& path) {
  const auto wrong = [&](const std::string& what) { return fail("--objects " + path + ": " + what); };
  std::ifstream in(path);
  if (!in) return wrong("the file cannot be read");
  std::stringstream text;
  text << in.rdbuf();
  auto config = json::decode_text<RemoteConfig>(text.str());
  if (!config) return wrong(config.error().message());
  if (config->cache_bytes && *config->cache_bytes < (1 << 20)) return wrong("cache_bytes: must be at least 1 MiB");
  std::set<std::string> names;
  for (std::size_t i = 0; i < config->stores.size(); ++i) {
    auto& s = config->stores[i];
    const auto field = [&](const char* name) { return fmt::format("stores[{}].{}: ", i, name); };
    if (s.name.empty() || !names.insert(s.name).second) return wrong(field("name") + "must be given, and differ from the others'");
    s.endpoint = without_slash(s.endpoint);
    if (auto w = wrong_endpoint(s.endpoint)) return wrong(field("endpoint") + *w);
    if (s.sts_endpoint) {
      *s.sts_endpoint = without_slash(*s.sts_endpoint);
      if (auto w = wrong_endpoint(*s.sts_endpoint)) return wrong(field("sts_endpoint") + *w);
    }
    if (s.region.empty()) return wrong(field("region") + "must be given");
    if (s.buckets.empty()) return wrong(field("buckets") + "must name at least one bucket");
    for (const auto& b : s.buckets) {
      std::string sample = b;
      std::erase(sample, '*');
      if (b.empty() || (b == sample ? !valid_bucket(b) : sample.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") != std::string::npos))
        return wrong(field("buckets") + "'" + b + "' is no bucket name or pattern");
    }
    if (auto keys = SharedCredentials(s.credentials_file, s.profile.value_or("default")).keys(); !keys)
      return wrong(field("credentials_file") + keys.error().message);
    if (s.ca_file && !std::ifstream(*s.ca_file)) return wrong(field("ca_file") + "'" + *s.ca_file + "' cannot be read");
  }
  return *std::move(config);
}

Result<AccessKeys> SharedCredentials::keys() {
  std::lock_guard lock(mutex_);
  // A file that is being replaced may be missing or half there: what was read last holds until a whole one is found.
  const auto away = [&](const std::string& what) -> Result<AccessKeys> {
    if (stamp_) return known_;
    return fail(Error{Errc::unavailable, "the credentials file '" + path_ + "' " + what});
  };
  struct stat st {};
  if (::stat(path_.c_str(), &st) != 0) return away("cannot be read");
  const std::pair<std::int64_t, std::int64_t> stamp{st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec, st.st_size};
  if (stamp_ == stamp) return known_;
  std::ifstream in(path_);
  AccessKeys found;
  bool inside = false, seen = false;
  for (std::string line; std::getline(in, line);) {
    line = trimmed(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      inside = trimmed(line.substr(1, line.find(']') - 1)) == profile_;
      seen = seen || inside;
      continue;
    }
    const auto eq = line.find('=');
    if (!inside || eq == std::string::npos) continue;
    const auto name = trimmed(line.substr(0, eq)), value = trimmed(line.substr(eq + 1));
    if (name == "aws_access_key_id") found.access_key_id = value;
    if (name == "aws_secret_access_key") found.secret_access_key = value;
    if (name == "aws_session_token") found.session_token = value;
  }
  if (!seen) return away("has no profile '" + profile_ + "'");
  if (found.access_key_id.empty() || found.secret_access_key.empty())
    return away("has no aws_access_key_id and aws_secret_access_key in profile '" + profile_ + "'");
  known_ = std::move(found);
  stamp_ = stamp;
  return known_;
}

struct RemoteStores::One {
  RemoteStore config;
  SharedCredentials credentials;
  RemoteS3 s3;
  std::optional<StsClient> sts;

  One(const RemoteStore& c, const Clock& clock)
      : config(c),
        credentials(c.credentials_file, c.profile.value_or("default")),
        s3({.endpoint = c.endpoint,
            .region = c.region,
            .access_key_id = {},
            .secret_access_key = {},
            .session_token = {},
            .ca_file = c.ca_file.value_or(""),
            .keys = [this] { return credentials.keys(); }},
           clock) {
    if (c.sts_endpoint)
      sts.emplace(StsClient::Options{*c.sts_endpoint, c.region, c.ca_file.value_or(""), [this] { return credentials.keys(); }}, clock);
  }
};

RemoteStores::RemoteStores(const RemoteConfig& config, std::vector<std::string> always_local, const Clock& clock)
    : always_local_(std::move(always_local)) {
  for (const auto& s : config.stores) stores_.push_back(std::make_unique<One>(s, clock));
}
RemoteStores::~RemoteStores() = default;

const RemoteStores::One* RemoteStores::find(std::string_view bucket) const {
  if (std::ranges::find(always_local_, bucket) != always_local_.end()) return nullptr;
  for (const auto& s : stores_)
    for (const auto& pattern : s->config.buckets)
      if (matches(pattern, bucket)) return s.get();
  return nullptr;
}

RemoteS3* RemoteStores::store_of(std::string_view bucket) const {
  const auto* one = find(bucket);
  return one ? const_cast<RemoteS3*>(&one->s3) : nullptr;
}

Result<Credentials> RemoteStores::vend(const Scope& scope, Millis lifetime) const {
  const One* store = nullptr;
  for (const auto& p : scope.prefixes) {
    TARN_TRY(url, Url::parse(p));
    const auto* one = find(url.bucket);
    if (!one || (store && one != store)) return fail(Error{Errc::invalid_request, "temporary credentials reach one store: " + p});
    store = one;
  }
  if (!store) return fail(Error{Errc::invalid_request, "temporary credentials for no prefix"});
  if (!store->sts)
    return fail(Error{Errc::unavailable, "the store '" + store->config.name +
                                             "' was configured without sts_endpoint: it hands out no temporary credentials. Read the table through a "
                                             "warehouse, or add one."});
  StsClient::Role role{scope.role_arn, scope.external_id};
  if (role.arn.empty()) role = {store->config.role_arn.value_or(""), ""};
  if (role.arn.empty())
    return fail(Error{Errc::unavailable, "no storage credential names a role for '" + scope.prefixes.front() + "', and the store '" +
                                             store->config.name + "' has no role_arn"});
  return const_cast<StsClient&>(*store->sts).assume(role, scope, lifetime);
}

Result<Credentials> RoutedVendor::vend(const Scope& scope, Millis lifetime) {
  for (const auto& p : scope.prefixes) {
    TARN_TRY(url, Url::parse(p));
    if (remote_.store_of(url.bucket)) return remote_.vend(scope, lifetime);
  }
  return local_.vend(scope, lifetime);
}

std::string RoutedVendor::presign(std::string_view method, const Url& url, Millis lifetime) {
  const auto* remote = remote_.store_of(url.bucket);
  if (!remote) return local_.presign(method, url, lifetime);
  auto link = remote->presign(method, url, lifetime);
  if (!link) throw std::runtime_error(link.error().message);  // the keys were there when the server started, and are kept
  return *std::move(link);
}

}  // namespace tarn::objects
