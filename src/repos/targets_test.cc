#include "repos/targets.h"

#include <gtest/gtest.h>

#include "repos/repos.h"

namespace tarn::repos {
namespace {

TEST(Targets, InternalAddressesAreToldFromPublicOnes) {
  for (const auto* a : {"127.0.0.1",   "127.9.9.9",      "10.0.0.1",      "172.16.0.1",      "172.31.255.255", "192.168.1.1",      "169.254.169.254",
                        "100.64.0.1",  "0.0.0.0",        "224.0.0.1",     "255.255.255.255", "192.0.2.1",      "198.18.0.1",       "::1",
                        "::",          "fe80::1",        "fc00::1",       "fd12::1",         "ff02::1",        "::ffff:127.0.0.1", "::ffff:10.0.0.1",
                        "::127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:db8::1",     "2001::1",        "nonsense",         ""})
    EXPECT_TRUE(is_internal(a)) << a;
  for (const auto* a : {"140.82.121.3", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2606:50c0:8000::153", "::ffff:8.8.8.8",
                        "64:ff9b::808:808"})
    EXPECT_FALSE(is_internal(a)) << a;
}

TEST(Targets, WhatIsNoRemoteIsRefused) {
  const Targets targets({});
  for (const auto* url :
       {"", "github.com/a/b", "ssh://git@github.com/a/b", "git@github.com:a/b.git", "file:///etc/passwd", "https://user:token@github.com/a/b",
        "https:///a", "https://github.com", "https://github.com/", "https://github.com/a?x=1", "https://github.com/a#b", "http://github.com/a/b",
        "ext::sh -c id", "https://a b/c", "https://github.com:0/a", "-oProxy=x", "https://%31%32%37.0.0.1%00/x"})
    EXPECT_EQ(targets.resolve(url).error().code, Errc::invalid) << url;
  for (const auto* url : {"https://127.0.0.1/a", "https://[::1]/a", "https://169.254.169.254/latest/meta-data", "https://localhost/a",
                          "https://10.1.2.3:8443/a", "https://[::ffff:127.0.0.1]/a", "https://0.0.0.0/a"})
    EXPECT_EQ(targets.resolve(url).error().code, Errc::not_allowed) << url;
}

TEST(Targets, WhatTheOperatorListsIsReachedWhereverItIs) {
  const Targets targets({"127.0.0.1:3000", "localhost"});
  EXPECT_EQ(targets.resolve("http://127.0.0.1:3000/team/repo.git").value().address, "127.0.0.1");
  EXPECT_EQ(targets.resolve("http://127.0.0.1:3001/team/repo.git").error().code, Errc::invalid) << "another port is another server";
  EXPECT_EQ(targets.resolve("https://127.0.0.1/team/repo.git").error().code, Errc::not_allowed);
  EXPECT_TRUE(targets.resolve("https://LOCALHOST:8443/team/repo/"));
}

TEST(Git, NamesOfBranches) {
  for (const auto* good : {"main", "feature/a-1", "release-2.0", "v1.0", "ü"}) EXPECT_TRUE(valid_ref(good)) << good;
  for (const auto* bad : {"",   "-x",   "--upload-pack=x", "a..b",  "a b", "a~1", "a^", "a:b", "a?b", "a*", "[a", "a\\b", "/a", "a/", "a//b",
                          ".a", "a/.b", "a.lock",          "a@{1}", "@",   "a\nb"})
    EXPECT_FALSE(valid_ref(bad)) << bad;
}

TEST(Git, ConesHoldTheirFoldersAndTheWayThere) {
  const std::vector<std::string> cone{"src/etl", "docs"};
  for (const auto* in : {"README.md", "src/a.py", "src/etl/b.py", "src/etl/deep/c.py", "docs/x.md"}) EXPECT_TRUE(in_cone(cone, in)) << in;
  for (const auto* out : {"src/ml/d.py", "src/etl2/e.py", "docs2/f", "other/g"}) EXPECT_FALSE(in_cone(cone, out)) << out;
  EXPECT_TRUE(in_cone({}, "anything/at/all"));
}

}  // namespace
}  // namespace tarn::repos
