#pragma once
// The only way out of a sandbox: an HTTP proxy that answers for the platform's own host names, with a certificate of an authority of its own,
// and adds the principal's credential on the way. For a plan it passes GET and HEAD only, and of these none that hands out data or secrets; for an
// approved apply everything. Clients may fetch a token as usual: the proxy answers that exchange itself, with a token that is worth nothing.
// Hosts that are listed pass as they are, without a credential; nothing else passes.
//
// Owns its server and its threads; start it with a listening socket, it ends in the destructor.
#include <memory>

#include "api/api.h"
#include "gateway/authority.h"
#include "gateway/server.h"
#include "review/principal.h"
#include "review/s3_signer.h"

namespace tarn::review {

enum class Reach { read, write };

/// Why a plan may not make this request; nothing if it may. `path` is percent-encoded, without query.
std::optional<std::string> refusal_of_read(std::string_view path);

class CredentialProxy {
 public:
  /// `principal` and `authority` must outlive this. `domain`: of the target. `state`: who answers for the state's bucket; none: nobody.
  CredentialProxy(Principal& principal, gateway::Authority& authority, const std::string& domain, Reach reach, std::vector<std::string> allow_hosts,
                  std::shared_ptr<S3Signer> state = {});
  ~CredentialProxy();
  /// Takes the socket over. The error is a text for people.
  Expected<void, std::string> start(int listening_fd);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What commands are told instead of a secret.
inline constexpr std::string_view kNoSecret = "the-proxy-adds-it";

}  // namespace tarn::review
