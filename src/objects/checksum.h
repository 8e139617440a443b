#pragma once
// The checksums of the S3 protocol, computed while bytes pass by (S3 User Guide, "Checking object integrity").
#include <boost/describe.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tarn::objects {

enum class Algorithm { md5, sha1, sha256, crc32, crc32c, crc64nvme };
BOOST_DESCRIBE_ENUM(Algorithm, md5, sha1, sha256, crc32, crc32c, crc64nvme)

/// One running digest. Not thread-safe.
class Digest {
 public:
  explicit Digest(Algorithm algorithm);
  ~Digest();
  Digest(Digest&&) noexcept;
  void update(std::string_view data);
  /// Raw bytes; CRCs big-endian, as S3 encodes them in base64. Ends the digest.
  std::string finish();

 private:
  Algorithm algorithm_;
  void* context_ = nullptr;  // EVP_MD_CTX of a hash
  std::uint64_t crc_ = 0;
};

std::string digest_of(Algorithm algorithm, std::string_view data);

}  // namespace tarn::objects
