#include "engine/frames.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace tarn::engine {
namespace {

struct Header {
  std::uint32_t length;
  std::uint32_t type;
  std::uint64_t request;
};
static_assert(sizeof(Header) == 16);

bool known(std::uint32_t type) { return (type >= 1 && type <= 8) || (type >= 16 && type <= 23); }

}  // namespace

template <class T>
T Decoder::number() {
  T v{};
  if (!ok_ || in_.size() < sizeof v) {
    ok_ = false;
    return v;
  }
  std::memcpy(&v, in_.data(), sizeof v);
  in_.remove_prefix(sizeof v);
  return v;
}

std::uint8_t Decoder::u8() { return number<std::uint8_t>(); }
std::uint32_t Decoder::u32() { return number<std::uint32_t>(); }
std::uint64_t Decoder::u64() { return number<std::uint64_t>(); }

std::string Decoder::text() {
  const auto n = u64();
  if (!ok_ || n > in_.size()) {
    ok_ = false;
    return {};
  }
  std::string out(in_.substr(0, n));
  in_.remove_prefix(n);
  return out;
}

std::vector<std::string> Decoder::texts() {
  const auto n = u32();
  std::vector<std::string> out;
  for (std::uint32_t i = 0; ok_ && i < n; ++i) out.push_back(text());
  return out;
}

bool FrameWriter::send(FrameType type, std::uint64_t request, std::string_view payload) {
  if (payload.size() > most_payload) return false;
  const Header header{static_cast<std::uint32_t>(payload.size()), static_cast<std::uint32_t>(type), request};
  return send_all({reinterpret_cast<const char*>(&header), sizeof header}, payload);
}

bool FrameWriter::send_packed(std::string_view frames) { return send_all(frames, {}); }

void FrameWriter::pack(std::string& out, FrameType type, std::uint64_t request, std::string_view payload) {
  const Header header{static_cast<std::uint32_t>(payload.size()), static_cast<std::uint32_t>(type), request};
  out.append(reinterpret_cast<const char*>(&header), sizeof header).append(payload);
}

bool FrameWriter::send_all(std::string_view head, std::string_view body) {
  std::lock_guard lock(mutex_);
  while (!head.empty() || !body.empty()) {
    iovec parts[2] = {{const_cast<char*>(head.data()), head.size()}, {const_cast<char*>(body.data()), body.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    const auto of_head = std::min(head.size(), static_cast<std::size_t>(n));
    head.remove_prefix(of_head);
    body.remove_prefix(static_cast<std::size_t>(n) - of_head);
  }
  return true;
}

bool FrameReader::buffered() const {
  if (buffer_.size() - at_ < sizeof(Header)) return false;
  Header header;
  std::memcpy(&header, buffer_.data() + at_, sizeof header);
  return buffer_.size() - at_ - sizeof header >= header.length;
}

bool FrameReader::next_is_for(std::uint64_t request) const {
  if (!buffered()) return false;
  Header header;
  std::memcpy(&header, buffer_.data() + at_, sizeof header);
  return header.length <= most_payload && known(header.type) && header.request == request;
}

bool FrameReader::fill(std::size_t want) {
  if (buffer_.size() - at_ >= want) return true;
  if (at_ > 0) buffer_.erase(0, at_), at_ = 0;
  constexpr std::size_t block = 64 << 10;
  while (buffer_.size() < want) {
    const auto had = buffer_.size();
    buffer_.resize(std::max(want, had + block));
    const ssize_t n = ::recv(fd_, buffer_.data() + had, buffer_.size() - had, 0);
    const int failure = errno;
    buffer_.resize(had + (n > 0 ? static_cast<std::size_t>(n) : 0));
    if (n < 0 && failure == EINTR) continue;
    if (n <= 0) return false;
  }
  return true;
}

std::optional<Frame> FrameReader::next() {
  if (malformed_ || !fill(sizeof(Header))) return {};
  Header header;
  std::memcpy(&header, buffer_.data() + at_, sizeof header);
  if (header.length > most_payload || !known(header.type)) {
    malformed_ = true;
    return {};
  }
  if (!fill(sizeof header + header.length)) return {};
  Frame frame{static_cast<FrameType>(header.type), header.request, buffer_.substr(at_ + sizeof header, header.length)};
  at_ += sizeof header + header.length;
  if (at_ == buffer_.size()) {
    buffer_.clear(), at_ = 0;
    if (buffer_.capacity() > (2u << 20)) buffer_.shrink_to_fit();
  }
  return frame;
}

}  // namespace tarn::engine
