#pragma once
// What a client may cost the gateway. Sizes in bytes, times in milliseconds.
#include <chrono>
#include <cstdint>

namespace tarn::gateway {

struct Limits {
  std::uint32_t header_bytes = 32u << 10;        // request line and headers: 431 beyond
  std::uint64_t body_bytes = 10u << 20;          // an API body: 413 beyond
  std::uint64_t upload_bytes = 5ull << 30;       // one storage upload or part (S3's own limit): 413 beyond
  std::uint64_t spool_above = 1u << 20;          // an upload larger than this goes to a file instead of memory
  std::chrono::milliseconds idle{75'000};        // between two requests of a connection: closed without a word
  std::chrono::milliseconds header{10'000};      // from the first byte of a request to the end of its headers: 408
  std::chrono::milliseconds body_grace{30'000};  // a body must arrive within this plus its size at body_rate: 408
  std::uint64_t body_rate = 16u << 10;           // bytes a second
  std::chrono::milliseconds write{60'000};       // a client that takes nothing of a reply for so long is cut off
  std::chrono::milliseconds handshake{10'000};
  std::chrono::milliseconds request{120'000};  // handler time: 504 beyond; also Request::deadline
  std::chrono::milliseconds linger{2'000};     // after a refusal: time for the client to read it
  std::chrono::milliseconds tick{250};         // precision of all of these
  std::size_t connections = 4096;              // beyond: closed at once
};

}  // namespace tarn::gateway
