#pragma once
// UTF-8 from code points, for the readers of JSON and its like.
#include <cstdint>
#include <string>

namespace tarn::engine::functions {

/// Up to U+10FFFF; a surrogate comes out as the three bytes that it would be.
inline void append_code(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6), out += static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12), out += static_cast<char>(0x80 | (c >> 6 & 63)), out += static_cast<char>(0x80 | (c & 63));
  } else {
    out += static_cast<char>(0xF0 | c >> 18), out += static_cast<char>(0x80 | (c >> 12 & 63)), out += static_cast<char>(0x80 | (c >> 6 & 63)),
        out += static_cast<char>(0x80 | (c & 63));
  }
}

}  // namespace tarn::engine::functions
