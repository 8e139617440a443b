#include "sql/globs.h"

#include <gtest/gtest.h>

namespace tarn::sql {
namespace {

bool covers(std::string_view pattern, std::string_view path) {
  const auto glob = Glob::parse(pattern);
  EXPECT_TRUE(glob) << pattern;
  return glob && glob->covers(path);
}

TEST(Globs, EachPatternMatchesWhatItSays) {
  EXPECT_TRUE(covers("a/*.csv", "a/x.csv"));
  EXPECT_TRUE(covers("a/*.csv", "a/.csv"));
  EXPECT_FALSE(covers("a/*.csv", "a/x.csv2"));
  EXPECT_FALSE(covers("a/*.csv", "a/b/x.csv")) << "a star does not reach over a slash";
  EXPECT_TRUE(covers("a/*b*c", "a/xbbyc"));
  EXPECT_FALSE(covers("a/*b*c", "a/xbbyd"));
  EXPECT_TRUE(covers("?.csv", "ä.csv"));
  EXPECT_FALSE(covers("?.csv", "ab.csv"));
  EXPECT_TRUE(covers("f[0-9].csv", "f7.csv"));
  EXPECT_FALSE(covers("f[0-9].csv", "fa.csv"));
  EXPECT_TRUE(covers("f[^0-9x]", "fa"));
  EXPECT_FALSE(covers("f[^0-9x]", "fx"));
  EXPECT_TRUE(covers("f[ä-ü]", "fö"));
  EXPECT_TRUE(covers("{ab,c{de,fh}}", "cfh"));
  EXPECT_FALSE(covers("{ab,c{de,fh}}", "abfh"));
  EXPECT_TRUE(covers("{a/x,b/y}/*", "b/y/1"));
  EXPECT_TRUE(covers("a\\*b", "a*b"));
  EXPECT_FALSE(covers("a\\*b", "axb"));
  EXPECT_TRUE(covers("a\\{b,c\\}", "a{b,c}"));
  EXPECT_TRUE(covers("[]]", "]"));
}

TEST(Globs, AFolderThatIsNamedIsCoveredWhole) {
  EXPECT_TRUE(covers("y=*", "y=1/m=2/a.csv"));
  EXPECT_FALSE(covers("y=*/z", "y=1/m=2/a.csv"));
  EXPECT_FALSE(covers("y/x", "y"));
}

TEST(Globs, TheFolderThatHoldsAllIsKnown) {
  EXPECT_EQ(Glob::parse("a/b/c*/d")->folder(), "a/b");
  EXPECT_EQ(Glob::parse("a/{b,c}")->folder(), "a");
  EXPECT_EQ(Glob::parse("*")->folder(), "");
}

TEST(Globs, WhatDoesNotCloseIsRefused) {
  for (const char* p : {"a[b", "a{b", "a{b,{c}", "a\\", "[]", "[^]"}) {
    const auto glob = Glob::parse(p);
    ASSERT_FALSE(glob) << p;
    EXPECT_EQ(glob.error().code, Errc::invalid);
  }
  std::string many;
  for (int i = 0; i < 12; ++i) many += "{a,b}";
  EXPECT_FALSE(Glob::parse(many));
}

TEST(Globs, ManyStarsEndSoon) { EXPECT_FALSE(covers(std::string(60, '*') + "x", std::string(200, 'a'))); }

}  // namespace
}  // namespace tarn::sql
