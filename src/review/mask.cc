#include "review/mask.h"

#include "api/api.h"
#include "base/crypto.h"

namespace tarn::review {
namespace {

bool is_token_char(unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; }

struct Shape {
  std::string_view prefix;
  std::size_t least;  // characters after the prefix
};
// Databricks, Gitea/GitHub, GitLab, AWS access keys, Slack, and JSON Web Tokens (whose dots are taken along).
constexpr Shape kShapes[] = {{"dapi", 32},   {"dose", 32},  {"dkea", 32}, {"dsapi", 32}, {"ghp_", 30},  {"gho_", 30},  {"github_pat_", 30},
                             {"glpat-", 16}, {"gldt-", 16}, {"AKIA", 16}, {"ASIA", 16},  {"xoxb-", 20}, {"xoxp-", 20}, {"eyJ", 20}};

bool says_secret(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const auto* harmless : {"token_lifetime", "lifetime_seconds", "secret_scope", "_file", "enable", "secret_name", "tokens_enabled"})
    if (lower.find(harmless) != lower.npos) return false;
  for (const auto* word : {"password", "passwd", "secret", "token", "private_key", "access_key", "api_key", "credentials_json"})
    if (lower.find(word) != lower.npos) return true;
  return false;
}

void mask_shapes(std::string& t) {
  for (std::size_t i = 0; i < t.size();) {
    if (i > 0 && is_token_char(static_cast<unsigned char>(t[i - 1]))) {
      ++i;
      continue;
    }
    bool hit = false;
    for (const auto& shape : kShapes) {
      if (t.compare(i, shape.prefix.size(), shape.prefix) != 0) continue;
      std::size_t end = i + shape.prefix.size();
      const bool dotted = shape.prefix == "eyJ";
      while (end < t.size() && (is_token_char(static_cast<unsigned char>(t[end])) || (dotted && t[end] == '.'))) ++end;
      if (end - i - shape.prefix.size() < shape.least) continue;
      t.replace(i, end - i, kMasked);
      i += kMasked.size();
      hit = true;
      break;
    }
    if (!hit) ++i;
  }
}

void mask_private_keys(std::string& t) {
  for (std::size_t at = 0; (at = t.find("-----BEGIN ", at)) != t.npos; at += kMasked.size()) {
    const auto name_end = t.find("-----", at + 11);
    if (name_end == t.npos || t.compare(at, name_end - at, "-----BEGIN CERTIFICATE") == 0) {
      at += 11 - std::min<std::size_t>(kMasked.size(), 11);
      continue;
    }
    auto end = t.find("-----END ", name_end);
    end = end == t.npos ? t.size() : t.find("-----", end + 9);
    end = end == t.npos ? t.size() : end + 5;
    t.replace(at, end - at, kMasked);
  }
}

/// `name = "value"`, `name: value`, `name=value` where the name says secret: one line each.
void mask_assignments(std::string& t) {
  std::string out;
  out.reserve(t.size());
  for (std::size_t at = 0; at < t.size();) {
    const auto end = std::min(t.find('\n', at), t.size());
    std::string line = t.substr(at, end - at);
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (line[i] != '=' && line[i] != ':') continue;
      std::size_t name_end = i;
      while (name_end > 0 && (line[name_end - 1] == ' ' || line[name_end - 1] == '"')) --name_end;
      std::size_t name = name_end;
      while (name > 0 && is_token_char(static_cast<unsigned char>(line[name - 1]))) --name;
      if (name == name_end || !says_secret(std::string_view(line).substr(name, name_end - name))) continue;
      std::size_t value = i + 1;
      while (value < line.size() && line[value] == ' ') ++value;
      const auto rest = std::string_view(line).substr(value);
      // What says itself that it is hidden, unknown or structured stays readable.
      if (rest.empty() || rest.starts_with('(') || rest.starts_with('{') || rest.starts_with('[') || rest.starts_with("null") ||
          rest.starts_with("true") || rest.starts_with("false") || rest.starts_with("//"))
        continue;
      line.replace(value, line.size() - value, kMasked);
      break;
    }
    out += line;
    if (end < t.size()) out += '\n';
    at = end + 1;
  }
  t = std::move(out);
}

}  // namespace

void Mask::learn(std::string_view secret) {
  if (secret.size() < 8) return;
  std::lock_guard lock(mutex_);
  values_.insert(std::string(secret));
  values_.insert(crypto::base64(secret));
  values_.insert(api::percent_encode(secret));
}

std::string Mask::text(std::string_view in) const {
  std::string t(in);
  {
    std::lock_guard lock(mutex_);
    for (const auto& value : values_)
      for (std::size_t at = 0; (at = t.find(value, at)) != t.npos; at += kMasked.size()) t.replace(at, value.size(), kMasked);
  }
  mask_private_keys(t);
  mask_shapes(t);
  mask_assignments(t);
  return t;
}

json::value Mask::document(const json::value& in) const {
  if (in.is_string()) return json::value(text(in.as_string()));
  if (in.is_array()) {
    json::array out;
    for (const auto& v : in.as_array()) out.push_back(document(v));
    return out;
  }
  if (in.is_object()) {
    json::object out;
    for (const auto& kv : in.as_object())
      out[kv.key()] = says_secret(kv.key()) && kv.value().is_string() ? json::value(kMasked) : document(kv.value());
    return out;
  }
  return in;
}

}  // namespace tarn::review
