#include "settings/addresses.h"

#include <gtest/gtest.h>

namespace tarn::settings {
namespace {

TEST(Addresses, RangesHoldWhatTheirBitsSay) {
  const auto r = parse_range("10.1.2.3/24");
  ASSERT_TRUE(r);
  EXPECT_TRUE(r->contains(*parse_address("10.1.2.0")));
  EXPECT_TRUE(r->contains(*parse_address("10.1.2.255")));
  EXPECT_FALSE(r->contains(*parse_address("10.1.3.0")));
  EXPECT_TRUE(parse_range("0.0.0.0/0")->contains(*parse_address("203.0.113.9")));
  EXPECT_TRUE(parse_range("203.0.113.9")->contains(*parse_address("::ffff:203.0.113.9")));
  EXPECT_FALSE(parse_range("203.0.113.9")->contains(*parse_address("203.0.113.8")));
}

TEST(Addresses, AnythingElseIsNone) {
  for (const auto* text : {"", "10", "10.0.0", "10.0.0.0.0", "10.0.0.256", "10.0.0.01", "10.0.0.-1", " 10.0.0.1", "10.0.0.1/33", "10.0.0.1/",
                           "10.0.0.1/8/8", "10.0.0.1/-1", "::1", "2001:db8::/32", "::ffff:10.0.0.0/8", "a.b.c.d"})
    EXPECT_FALSE(parse_range(text)) << text;
  EXPECT_FALSE(parse_address("::1"));
}

}  // namespace
}  // namespace tarn::settings
