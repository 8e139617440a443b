#include "store/sql_text.h"

namespace tarn::store {

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

bool valid_text(std::string_view s) {
  for (std::size_t i = 0; i < s.size();) {
    const auto at = [&](std::size_t k) { return i + k < s.size() ? static_cast<unsigned char>(s[i + k]) : 0u; };
    const unsigned c = at(0);
    const std::size_t n = c == 0 ? 0 : c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (n == 0) return false;
    for (std::size_t k = 1; k < n; ++k)
      if ((at(k) & 0xc0) != 0x80) return false;
    // Overlong forms, surrogates, beyond U+10FFFF.
    if ((c == 0xe0 && at(1) < 0xa0) || (c == 0xed && at(1) > 0x9f) || (c == 0xf0 && at(1) < 0x90) || (c == 0xf4 && at(1) > 0x8f)) return false;
    i += n;
  }
  return true;
}

AuditEvent audit_event(const std::string& body) {
  auto e = json::decode_text<AuditEvent>(body, {.absent = json::Absent::keep});
  if (!e) throw std::logic_error("an audit record does not decode");
  return *std::move(e);
}

}  // namespace tarn::store
