#include "objects/s3_payload.h"

#include <fcntl.h>

#include "base/crypto.h"
#include "objects/checksum.h"
#include "objects/file_io.h"

namespace tarn::objects::s3 {
namespace {

constexpr std::size_t kBlock = 1u << 20;
constexpr std::size_t kMostLine = 8u << 10;
using Sink = std::function<Result<void>(std::string_view)>;

Error incomplete() { return {400, "IncompleteBody", "The request body terminated unexpectedly"}; }
Error wrong_signature() {
  return {403, "SignatureDoesNotMatch",
          "The request signature we calculated does not match the signature you provided. Check your key and signing method."};
}

/// Hands out the raw body in blocks.
Result<void> each_block(const api::Request& r, const Sink& take) {
  if (r.body_file.empty()) return take(r.body);
  const Fd fd(::open(r.body_file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail(error_of(io_error("open upload", r.body_file)));
  for (std::uint64_t at = 0;;) {
    auto block = read_at(fd.get(), at, kBlock);
    if (!block) return fail(error_of(block.error()));
    if (block->empty()) return {};
    TARN_CHECK(take(*block));
    at += block->size();
  }
}

/// The aws-chunked encoding, as a machine that takes blocks of any size.
class ChunkDecoder {
 public:
  ChunkDecoder(const PayloadProof& proof, const Sink& sink)
      : proof_(proof),
        sink_(sink),
        signed_(proof.content_hash != sigv4::kStreamingUnsigned),
        trailer_(proof.content_hash != sigv4::kStreaming),
        previous_(proof.by.signature) {}

  Result<void> take(std::string_view block) {
    while (!block.empty()) {
      if (state_ == State::data) {
        const auto n = std::min<std::uint64_t>(left_, block.size());
        const auto piece = block.substr(0, n);
        if (signed_) hash_->update(piece);
        TARN_CHECK(sink_(piece));
        block.remove_prefix(n);
        left_ -= n;
        if (left_ == 0) {
          TARN_CHECK(end_chunk());
          state_ = State::gap;
        }
        continue;
      }
      const auto eol = block.find('\n');
      line_ += block.substr(0, eol);
      if (line_.size() > kMostLine) return fail(incomplete());
      if (eol == std::string_view::npos) return {};
      block.remove_prefix(eol + 1);
      if (line_.ends_with('\r')) line_.pop_back();
      TARN_CHECK(line(std::exchange(line_, {})));
    }
    return {};
  }

  /// After the last block.
  Result<void> finish() {
    // Some clients leave out the empty line that closes the trailers.
    if (state_ == State::trailers && line_.empty()) TARN_CHECK(end_trailers());
    if (state_ != State::done || !line_.empty()) return fail(incomplete());
    return {};
  }
  const std::map<std::string, std::string>& trailers() const { return trailers_; }

 private:
  enum class State { header, data, gap, trailers, done };

  Result<void> line(const std::string& text) {
    switch (state_) {
      case State::header:
        return header(text);
      case State::gap:
        if (!text.empty()) return fail(incomplete());
        state_ = State::header;
        return {};
      case State::trailers:
        return trailer(text);
      case State::done:
      case State::data:
        if (!text.empty()) return fail(incomplete());
        return {};
    }
    return {};
  }

  Result<void> header(const std::string& text) {
    const auto semicolon = text.find(';');
    const std::string digits = text.substr(0, semicolon);
    if (digits.empty() || digits.size() > 12 || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) return fail(incomplete());
    left_ = std::stoull(digits, nullptr, 16);
    signature_.clear();
    constexpr std::string_view name = "chunk-signature=";
    if (const auto at = text.find(name); at != std::string::npos) signature_ = text.substr(at + name.size());
    hash_.emplace(Algorithm::sha256);
    if (left_ > 0) {
      state_ = State::data;
      return {};
    }
    TARN_CHECK(end_chunk());
    state_ = trailer_ ? State::trailers : State::done;
    return {};
  }

  Result<void> end_chunk() {
    if (!signed_) return {};
    const auto want = sigv4::sign(proof_.key, sigv4::chunk_to_sign(proof_.by, previous_, crypto::to_hex(hash_->finish())));
    if (!crypto::equal(want, signature_)) return fail(wrong_signature());
    previous_ = want;
    return {};
  }

  Result<void> trailer(const std::string& text) {
    if (text.empty()) {
      // The closing line; the signed form may have an empty one before its signature, too.
      return signed_ && trailer_signature_.empty() ? Result<void>{} : end_trailers();
    }
    const auto colon = text.find(':');
    if (colon == std::string::npos || trailers_.size() > 16) return fail(incomplete());
    std::string name = text.substr(0, colon), value = text.substr(colon + 1);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    while (value.starts_with(' ')) value.erase(0, 1);
    if (name == "x-amz-trailer-signature") {
      trailer_signature_ = value;
      return {};
    }
    canonical_ += name + ':' + value + '\n';
    trailers_[name] = value;
    return {};
  }

  Result<void> end_trailers() {
    state_ = State::done;
    if (!signed_) return {};
    const auto want = sigv4::sign(proof_.key, sigv4::trailer_to_sign(proof_.by, previous_, crypto::to_hex(crypto::sha256(canonical_))));
    if (!crypto::equal(want, trailer_signature_)) return fail(wrong_signature());
    return {};
  }

  const PayloadProof& proof_;
  const Sink& sink_;
  const bool signed_, trailer_;
  std::string previous_, signature_, line_, canonical_, trailer_signature_;
  State state_ = State::header;
  std::uint64_t left_ = 0;
  std::optional<Digest> hash_;
  std::map<std::string, std::string> trailers_;
};

struct Wanted {
  Algorithm algorithm;
  std::string value;  // base64; empty while it is still to come in the trailers
  bool in_trailer = false;
  Digest digest;
};

constexpr std::string_view kChecksumPrefix = "x-amz-checksum-";

std::optional<Algorithm> checksum_named(std::string_view header) {
  if (!header.starts_with(kChecksumPrefix)) return std::nullopt;
  const auto a = json::enum_of<Algorithm>(header.substr(kChecksumPrefix.size()));
  return a == Algorithm::md5 ? std::nullopt : a;
}

Result<std::vector<Wanted>> wanted_checksums(const api::Request& r, bool chunked) {
  std::vector<Wanted> out;
  for (const auto& [name, value] : r.headers) {
    if (name == "x-amz-checksum-mode" || name == "x-amz-checksum-algorithm" || name == "x-amz-checksum-type") continue;
    if (const auto a = checksum_named(name))
      out.push_back({*a, value, false, Digest(*a)});
    else if (name.starts_with(kChecksumPrefix))
      return fail(invalid_request("The value specified in the " + name + " header is not a checksum that this storage knows."));
  }
  if (const auto i = r.headers.find("x-amz-trailer"); i != r.headers.end() && chunked) {
    const auto a = checksum_named(i->second);
    if (!a) return fail(invalid_request("The value specified in the x-amz-trailer header is not supported: '" + i->second + "'"));
    out.push_back({*a, "", true, Digest(*a)});
  }
  return out;
}

}  // namespace

bool is_chunked(const PayloadProof& p) { return p.content_hash.starts_with("STREAMING-"); }

Result<Payload> read_payload(const api::Request& r, const PayloadProof& proof, std::uint64_t limit, const Sink& sink) {
  const bool chunked = is_chunked(proof);
  if (chunked && proof.content_hash != sigv4::kStreaming && proof.content_hash != sigv4::kStreamingTrailer &&
      proof.content_hash != sigv4::kStreamingUnsigned)
    return fail(invalid_request("The value of x-amz-content-sha256 is not supported: '" + proof.content_hash + "'"));
  std::optional<std::uint64_t> decoded_length;
  if (chunked) {
    const std::string text = r.header("x-amz-decoded-content-length");
    if (text.empty() || text.size() > 15 || text.find_first_not_of("0123456789") != std::string::npos)
      return fail(Error{411, "MissingContentLength", "You must provide the x-amz-decoded-content-length HTTP header."});
    decoded_length = std::stoull(text);
  }
  TARN_TRY(wanted, wanted_checksums(r, chunked));
  Payload out;
  Digest md5(Algorithm::md5);
  const bool hashed = !chunked && proof.content_hash != sigv4::kUnsigned;
  Digest sha256(Algorithm::sha256);
  const Error too_large{400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"};
  const Sink decoded = [&](std::string_view piece) -> Result<void> {
    out.size += piece.size();
    if (out.size > limit) return fail(too_large);
    md5.update(piece);
    for (auto& w : wanted) w.digest.update(piece);
    return sink(piece);
  };
  if (chunked) {
    ChunkDecoder decoder(proof, decoded);
    TARN_CHECK(each_block(r, [&](std::string_view block) { return decoder.take(block); }));
    TARN_CHECK(decoder.finish());
    if (out.size != *decoded_length) return fail(incomplete());
    for (auto& w : wanted) {
      if (!w.in_trailer) continue;
      const auto i = decoder.trailers().find(std::string(kChecksumPrefix) + std::string(json::name_of(w.algorithm)));
      if (i == decoder.trailers().end())
        return fail(Error{400, "MalformedTrailerError",
                          "The request contained trailing data that was not well-formed or did not conform to our published schema."});
      w.value = i->second;
    }
  } else {
    TARN_CHECK(each_block(r, [&](std::string_view block) {
      if (hashed) sha256.update(block);
      return decoded(block);
    }));
    if (hashed && !crypto::equal(crypto::to_hex(sha256.finish()), proof.content_hash))
      return fail(Error{400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."});
  }
  out.md5 = md5.finish();
  if (const std::string sent = r.header("content-md5"); !sent.empty()) {
    const auto raw = crypto::from_base64(sent);
    if (!raw || raw->size() != 16) return fail(Error{400, "InvalidDigest", "The Content-MD5 you specified was invalid."});
    if (*raw != out.md5) return fail(Error{400, "BadDigest", "The Content-MD5 you specified did not match what we received."});
  }
  for (auto& w : wanted) {
    const std::string name(json::name_of(w.algorithm)), have = crypto::base64(w.digest.finish());
    if (have != w.value) return fail(Error{400, "BadDigest", fmt::format("The {} you specified did not match the calculated checksum.", name)});
    out.checksums[name] = have;
  }
  return out;
}

}  // namespace tarn::objects::s3
