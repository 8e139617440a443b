#pragma once
// Private to the gateway: what its TLS server contexts have in common.
#include <openssl/ssl.h>

namespace tarn::gateway {

/// TLS 1.2 and later, ALPN http/1.1; `choose` sets the certificate of each handshake. The caller owns it. Throws std::runtime_error.
SSL_CTX* make_server_context(int (*choose)(SSL*, void*), void* self);

}  // namespace tarn::gateway
