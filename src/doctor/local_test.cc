#include "doctor/local.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace tarn::doctor {
namespace {

struct Folder : testing::Test {
  std::filesystem::path path;
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tarn-doctor-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path = pattern;
  }
  ~Folder() override { std::filesystem::remove_all(path); }
  void file(const std::string& name, mode_t mode) {
    std::ofstream(path / name) << "x";
    ::chmod((path / name).c_str(), mode);
  }
};

TEST_F(Folder, IsSoundWhenOnlyItsOwnerGetsIn) {
  file("root.key", 0600);
  file("notes.txt", 0644);
  const auto f = check_data_folder(path);
  ASSERT_EQ(f.size(), 1u);
  EXPECT_EQ(f[0].level, Level::ok) << f[0].summary;
}

TEST_F(Folder, NamesWhatOthersMayRead) {
  ::chmod(path.c_str(), 0755);
  file("root.key", 0644);
  std::filesystem::create_directory(path / "admin");
  file("admin/client-secret", 0640);
  const auto f = check_data_folder(path);
  ASSERT_EQ(f.size(), 3u);
  EXPECT_EQ(f[0].cure, "chmod 700 " + path.string());
  EXPECT_EQ(f[1].cure, "chmod 600 " + (path / "root.key").string());
  EXPECT_EQ(f[2].cure, "chmod 600 " + (path / "admin" / "client-secret").string());
  EXPECT_FALSE(healthy(f));
}

TEST_F(Folder, MustExistAndBeAFolder) {
  EXPECT_EQ(check_data_folder(path / "nowhere")[0].level, Level::problem);
  file("file", 0600);
  EXPECT_NE(check_data_folder(path / "file")[0].summary.find("is not a folder"), std::string::npos);
}

TEST_F(Folder, DiskSpaceIsJudgedByItsLimits) {
  EXPECT_EQ(check_disk(path, {.warn_bytes = 0, .problem_bytes = 0, .problem_inodes = 0}).level, Level::ok);
  constexpr auto kHuge = ~0ULL;
  EXPECT_EQ(check_disk(path, {.warn_bytes = kHuge, .problem_bytes = 0, .problem_inodes = 0}).level, Level::warning);
  EXPECT_EQ(check_disk(path, {.warn_bytes = kHuge, .problem_bytes = kHuge, .problem_inodes = 0}).level, Level::problem);
  EXPECT_EQ(check_disk(path / "nowhere").level, Level::unknown);
}

TEST(Machine, ClockIsJudged) {
  EXPECT_EQ(check_clock(2'000, 1'000, true).level, Level::ok);
  EXPECT_EQ(check_clock(2'000, 1'000, std::nullopt).level, Level::ok);
  EXPECT_EQ(check_clock(2'000, 1'000, false).level, Level::warning);
  EXPECT_EQ(check_clock(500, 1'000, true).level, Level::problem);
}

TEST(Machine, VersionsAreCompared) {
  EXPECT_EQ(check_versions("1", "1").level, Level::ok);
  EXPECT_EQ(check_versions("1", "2").level, Level::warning);
  EXPECT_EQ(check_versions("1", std::nullopt).level, Level::unknown);
}

}  // namespace
}  // namespace tarn::doctor
