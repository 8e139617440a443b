#include "objects/session_credentials.h"

#include <stdexcept>

#include "base/json.h"
#include "objects/sigv4.h"

namespace tarn::objects {
namespace {

constexpr std::string_view kPurpose = "storage session";
constexpr Millis kHour = 3'600'000;

// The members are short: the token travels with every request.
struct Token {
  std::string k, s;            // access key id, secret
  std::vector<std::string> p;  // prefixes
  bool w = false;              // may write
  std::string u;               // principal
  Millis e = 0;                // expiry
};
BOOST_DESCRIBE_STRUCT(Token, (), (k, s, p, w, u, e))

std::optional<std::string> from_base64url(std::string_view text) {
  std::string plain(text);
  for (char& c : plain) c = c == '-' ? '+' : c == '_' ? '/' : c;
  while (plain.size() % 4) plain += '=';
  return crypto::from_base64(plain);
}

/// ASIA and 16 letters or digits, the shape of AWS's temporary key ids.
std::string new_key_id() {
  static constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string id = "ASIA";
  for (unsigned char c : crypto::random_bytes(16)) id += alphabet[c & 31];
  return id;
}

}  // namespace

SessionCredentials::SessionCredentials(const crypto::Keyring& keys, const Clock& clock, std::string region)
    : keys_(keys), clock_(clock), region_(std::move(region)) {}

void SessionCredentials::set_endpoint(std::string endpoint) {
  std::lock_guard lock(mutex_);
  endpoint_ = std::move(endpoint);
}

Credentials SessionCredentials::make(const Scope& scope, Millis lifetime) {
  for (const auto& p : scope.prefixes)
    if (auto url = Url::parse(p); !url) throw std::invalid_argument(url.error().message);
  const Token t{new_key_id(),           crypto::base64(crypto::random_bytes(30)), scope.prefixes, scope.access == Access::read_write, scope.principal,
                clock_.now() + lifetime};
  return {t.k, t.s, crypto::base64url(keys_.seal(json::encode_text(t), kPurpose)), t.e};
}

Result<Credentials> SessionCredentials::vend(const Scope& scope, Millis lifetime) { return make(scope, std::clamp<Millis>(lifetime, 1, 12 * kHour)); }

std::optional<Session> SessionCredentials::open(std::string_view token) const {
  if (token.size() > 16'384) return std::nullopt;
  const auto sealed = from_base64url(token);
  if (!sealed) return std::nullopt;
  const auto plain = keys_.open(*sealed, kPurpose);
  if (!plain) return std::nullopt;
  auto t = json::decode_text<Token>(*plain);
  if (!t) return std::nullopt;
  return Session{t->k, t->s, std::move(t->p), t->w ? Access::read_write : Access::read, t->u, t->e};
}

std::string SessionCredentials::presign(std::string_view method, const Url& url, Millis lifetime) {
  lifetime = std::clamp<Millis>(lifetime, 1000, 7 * 24 * kHour);
  const bool reads = method == "GET" || method == "HEAD";
  const Credentials c = make({{url.text()}, reads ? Access::read : Access::read_write, "presigned"}, lifetime);
  std::string endpoint;
  {
    std::lock_guard lock(mutex_);
    endpoint = endpoint_;
  }
  return sigv4::presigned_url(endpoint, method, sigv4::encode('/' + url.bucket + '/' + url.key, true),
                              {c.access_key_id, c.secret_access_key, c.session_token, region_, "s3"}, clock_.now(), lifetime);
}

}  // namespace tarn::objects
