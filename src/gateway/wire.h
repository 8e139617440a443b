#pragma once
// Spells reply heads (RFC 9112) into a reusable buffer.
#include <string>

#include "api/api.h"

namespace tarn::gateway {

/// What the gateway adds to every reply.
struct Trim {
  std::string_view request_id;
  std::int64_t org_id = 0;  // 0: not a workspace host
  bool keep_alive = true;
  bool head = false;  // the reply to HEAD: lengths of the body it does not carry
};

/// Appends status line and headers. Line breaks in a handler's header values are dropped, not sent.
void append_head(std::string& out, const api::Reply& reply, const Trim& trim);

/// An error as a reply: the vendor's body, with the error's own headers.
api::Reply to_reply(const api::WireError& error);

}  // namespace tarn::gateway
