#pragma once
#include <algorithm>
#include <string_view>

namespace tarn {

/// Whether a text can stand as a recipient: one line, one address, nothing that a mail's head could be broken with (RFC 5321 4.1.2, the plain part).
inline bool is_mail_address(std::string_view text) {
  const bool plain = std::ranges::all_of(text, [](unsigned char c) { return c > 0x20 && c < 0x7f && c != '<' && c != '>' && c != ','; });
  const auto at = text.find('@');
  return plain && text.size() <= 254 && at != text.npos && at > 0 && at + 1 < text.size();
}

}  // namespace tarn
