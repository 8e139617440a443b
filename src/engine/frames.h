#pragma once
// The frames between the pool and an engine process, over one stream socket: a 16-byte header (payload length, type, request id,
// native byte order: both ends are one program on one machine) and the payload. Requests are multiplexed by id; 0 is the process itself.
// Either end treats a malformed frame as the end of the conversation.
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::engine {

enum class FrameType : std::uint32_t {
  // pool -> process
  configure = 1,  // Settings
  bind = 2,       // Scope: the instance is locked to it, for good
  run = 3,
  write = 4,
  describe = 5,
  cancel = 6,  // empty; the answer is still error or done
  ack = 7,     // u64: bytes of results consumed
  reply = 8,   // u64 question, u8 answered, then (u8 kind, text) an input; or a text why not
  // process -> pool
  ready = 16,     // text: the hardening in force
  schema = 17,    // columns
  part = 18,      // bytes of a chunk, more to come
  chunk = 19,     // u64 rows, then the (last) bytes of the chunk
  done = 20,      // Summary
  error = 21,     // u32 Errc, text
  written = 22,   // files
  question = 23,  // u64 question, text token, text name, u8 each, inputs: child/questions.h
};

constexpr std::size_t most_payload = 16u << 20;
constexpr std::size_t part_bytes = 1u << 20;
/// Bytes of results of one request that the process may have sent and the caller not yet taken, one chunk excepted.
constexpr std::uint64_t result_window = 8u << 20;

struct Frame {
  FrameType type{};
  std::uint64_t request = 0;
  std::string payload;
};

/// Appends fields to a payload.
class Encoder {
 public:
  void u8(std::uint8_t v) { out.push_back(static_cast<char>(v)); }
  void u32(std::uint32_t v) { raw(&v, sizeof v); }
  void u64(std::uint64_t v) { raw(&v, sizeof v); }
  void text(std::string_view v) { u64(v.size()), out.append(v); }
  void texts(const std::vector<std::string>& v) {
    u32(static_cast<std::uint32_t>(v.size()));
    for (const auto& s : v) text(s);
  }
  std::string out;

 private:
  void raw(const void* p, std::size_t n) { out.append(static_cast<const char*>(p), n); }
};

/// Takes fields off a payload. After a short or overlong field everything reads as zero and ok() is false.
class Decoder {
 public:
  explicit Decoder(std::string_view in) : in_(in) {}
  std::uint8_t u8();
  std::uint32_t u32();
  std::uint64_t u64();
  std::string text();
  std::vector<std::string> texts();
  std::string_view rest() { return in_; }
  bool ok() const { return ok_; }
  bool finished() const { return ok_ && in_.empty(); }

 private:
  template <class T>
  T number();
  std::string_view in_;
  bool ok_ = true;
};

/// Writes frames whole; safe from several threads. Does not own the descriptor.
class FrameWriter {
 public:
  explicit FrameWriter(int fd) : fd_(fd) {}
  /// False: the other end is gone.
  bool send(FrameType type, std::uint64_t request, std::string_view payload);
  /// Sends frames that pack() laid end to end.
  bool send_packed(std::string_view frames);
  static void pack(std::string& out, FrameType type, std::uint64_t request, std::string_view payload);

 private:
  bool send_all(std::string_view head, std::string_view body);
  int fd_;
  std::mutex mutex_;
};

/// Reads frames through a buffer; one thread. Does not own the descriptor.
class FrameReader {
 public:
  explicit FrameReader(int fd) : fd_(fd) {}
  /// Empty: the other end closed, failed, or sent what is no frame (then malformed() is true).
  std::optional<Frame> next();
  bool malformed() const { return malformed_; }
  /// Whether a whole frame is already in memory.
  bool buffered() const;
  /// Whether that is so and it belongs to this request.
  bool next_is_for(std::uint64_t request) const;

 private:
  bool fill(std::size_t want);
  int fd_;
  std::string buffer_;
  std::size_t at_ = 0;
  bool malformed_ = false;
};

}  // namespace tarn::engine
