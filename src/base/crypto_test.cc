#include "base/crypto.h"

#include <gtest/gtest.h>

#include "base/ids.h"

namespace tarn::crypto {
namespace {

TEST(Crypto, KnownAnswers) {
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(base64("any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
  EXPECT_EQ(from_base64("YW55IGNhcm5hbCBwbGVhcw=="), "any carnal pleas");
  EXPECT_EQ(from_hex("0g"), std::nullopt);
}

TEST(Keyring, OpensOnlyForItsPurposeAndUnchanged) {
  const Keyring ring(random_bytes(32));
  std::string sealed = ring.seal("hunter2", "secret/scope/key");
  EXPECT_EQ(ring.open(sealed, "secret/scope/key"), "hunter2");
  EXPECT_EQ(ring.open(sealed, "secret/scope/other"), std::nullopt);
  sealed.back() ^= 1;
  EXPECT_EQ(ring.open(sealed, "secret/scope/key"), std::nullopt);
  EXPECT_EQ(Keyring(random_bytes(32)).open(ring.seal("x", "p"), "p"), std::nullopt);
}

TEST(Keyring, RotationRewrapsAndOldKeyCanGo) {
  const std::string old_key = random_bytes(32), new_key = random_bytes(32);
  const std::string sealed = Keyring(old_key).seal("s", "p");
  const Keyring both(new_key, {old_key});
  EXPECT_EQ(both.open(sealed, "p"), "s");
  EXPECT_FALSE(both.is_current(sealed));
  const auto rewrapped = both.rewrap(sealed);
  ASSERT_TRUE(rewrapped);
  EXPECT_EQ(Keyring(new_key).open(*rewrapped, "p"), "s");
}

TEST(Ids, HaveTheVendorsShapes) {
  EXPECT_TRUE(is_uuid(new_uuid()));
  const auto id = new_numeric_id();
  EXPECT_GE(id, 100'000'000'000'000);
  EXPECT_LE(id, 9'007'199'254'740'991);
}

}  // namespace
}  // namespace tarn::crypto
