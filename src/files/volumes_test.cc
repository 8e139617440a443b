#include "files/volumes.h"

#include <filesystem>
#include <fstream>

#include "base/ids.h"
#include "files/routes.h"
#include "identity/testing.h"
#include "objects/local_objects.h"
#include "store/store_for_tests.h"

namespace tarn::files {
namespace {

using enum api::Method;
using identity::testing::Answer;

/// One volume, c.s.v, that readers may read and writers may write.
struct FakeVolumes final : VolumeDirectory {
  std::set<std::string> readers{"reader", "writer"}, writers{"writer"};
  Result<std::string> location(const access::Context& ctx, const std::string& full_name, bool write) override {
    if (full_name != "c.s.v") return refuse(Errc::directory_not_found, "Volume '" + full_name + "' does not exist.");
    if (!(write ? writers : readers).contains(ctx.caller.name))
      return refuse(Errc::permission_denied, std::string("User does not have ") + (write ? "WRITE VOLUME" : "READ VOLUME") + " on Volume 'c.s.v'.");
    return "s3://lake/volumes/v1";
  }
};

struct FilesTest : ::testing::Test {
  FakeClock clock;
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  identity::testing::FakeDirectory directory;
  std::string scratch = (std::filesystem::temp_directory_path() / ("tarn-files-" + new_hex(8))).string();
  objects::LocalObjects objects{scratch};
  FakeVolumes volumes;
  VolumeFiles files{*store, objects, volumes};
  api::Router router;
  FilesTest() {
    EXPECT_TRUE(objects.create_bucket("lake"));
    router.add(volume_routes(files));
    for (const auto* name : {"reader", "writer", "outsider"}) directory.add(identity::Kind::user, name);
  }
  ~FilesTest() override { std::filesystem::remove_all(scratch); }
  Answer call(api::Method m, const std::string& target, const std::string& body = "", const std::string& who = "writer",
              std::map<std::string, std::string> headers = {}, const std::string& body_file = "") {
    return identity::testing::call(router, m, "/api/2.0/fs/" + target, directory.as(who), body, std::move(headers), body_file);
  }
  static std::string sent(const Answer& a) {
    if (!a.file) return a.text;
    std::ifstream in(a.file->path, std::ios::binary);
    in.seekg(static_cast<std::streamoff>(a.file->offset));
    std::string out(a.file->length, '\0');
    in.read(out.data(), static_cast<std::streamsize>(out.size()));
    return out;
  }
  static std::string header(const Answer& a, const std::string& name) {
    const auto i = a.headers.find(name);
    return i == a.headers.end() ? "" : i->second;
  }
  static std::string why(const Answer& a) { return std::string(a.body.at("details").at(0).at("reason").as_string()); }
};
constexpr const char* kFile = "files/Volumes/c/s/v/in/a.csv";

TEST_F(FilesTest, AFileGoesUpAndDown) {
  EXPECT_EQ(call(PUT, kFile, "a,b\n1,2\n").status, 204);
  const auto got = call(GET, kFile, "", "reader");
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(sent(got), "a,b\n1,2\n");
  EXPECT_EQ(http_date(*from_http_date(header(got, "Last-Modified"))), header(got, "Last-Modified"));
  EXPECT_EQ(objects.get({"lake", "volumes/v1/in/a.csv"}).value(), "a,b\n1,2\n") << "the bytes lie in the volume's location";
  EXPECT_EQ(call(DELETE, kFile).status, 204);
  const auto gone = call(GET, kFile);
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.code(), "NOT_FOUND");
  EXPECT_EQ(gone.message(), "The file being accessed is not found.");
  EXPECT_EQ(call(DELETE, kFile).status, 404);
}

TEST_F(FilesTest, OverwritingCanBeRefused) {
  call(PUT, kFile, "1");
  EXPECT_EQ(call(PUT, kFile, "0").status, 204) << "unsaid, a file is overwritten";
  const auto again = call(PUT, std::string(kFile) + "?overwrite=false", "2");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.code(), "ALREADY_EXISTS");
  EXPECT_EQ(call(PUT, std::string(kFile) + "?overwrite=true", "2").status, 204);
  EXPECT_EQ(sent(call(GET, kFile)), "2");
  EXPECT_EQ(call(PUT, std::string(kFile) + "?overwrite=maybe", "2").status, 400);
  EXPECT_EQ(call(PUT, "files/Volumes/c/s/v/in?overwrite=true", "2").status, 409) << "a directory is not replaced";
  EXPECT_EQ(call(PUT, "files/Volumes/c/s/v/in/a.csv/b", "2").status, 400) << "nothing lies below a file";
}

TEST_F(FilesTest, ALargeBodyIsTakenFromItsSpoolFile) {
  const std::string spool = scratch + "/spool";
  std::ofstream(spool, std::ios::binary) << std::string(3u << 20, 'z');
  EXPECT_EQ(call(PUT, kFile, "", "writer", {}, spool).status, 204);
  EXPECT_EQ(call(GET, kFile).file->length, 3u << 20);
}

TEST_F(FilesTest, RangesAndConditions) {
  call(PUT, kFile, "0123456789");
  const auto range = [&](const std::string& r) { return call(GET, kFile, "", "reader", {{"range", r}}); };
  EXPECT_EQ(range("bytes=2-4").status, 206);
  EXPECT_EQ(sent(range("bytes=2-4")), "234");
  EXPECT_EQ(header(range("bytes=2-4"), "Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(sent(range("bytes=7-")), "789");
  EXPECT_EQ(sent(range("bytes=-3")), "789");
  EXPECT_EQ(sent(range("bytes=0-99")), "0123456789");
  EXPECT_EQ(range("bytes=10-").status, 416);
  EXPECT_EQ(range("bytes=-0").status, 416);
  for (const auto* odd : {"bytes=a-b", "lines=1-2", "bytes=5-2", "bytes=1-2,4-5"}) EXPECT_EQ(range(odd).status, 200) << odd;
  const auto since = [&](const std::string& date) { return call(GET, kFile, "", "reader", {{"if-unmodified-since", date}}).status; };
  EXPECT_EQ(since("Sun, 06 Nov 1994 08:49:37 GMT"), 412);
  EXPECT_EQ(since(header(call(GET, kFile), "Last-Modified")), 200);
  EXPECT_EQ(since("nonsense"), 200);
}

TEST_F(FilesTest, DirectoriesAreMadeListedInPagesAndDeleted) {
  EXPECT_EQ(call(HEAD, "directories/Volumes/c/s/v").status, 200) << "the volume itself is one";
  EXPECT_EQ(call(HEAD, "directories/Volumes/c/s/v/d").status, 404);
  EXPECT_EQ(call(PUT, "directories/Volumes/c/s/v/d/e").status, 204);
  EXPECT_EQ(call(PUT, "directories/Volumes/c/s/v/d/e").status, 204) << "again is fine";
  EXPECT_EQ(call(HEAD, "directories/Volumes/c/s/v/d").status, 200);
  for (const auto* name : {"e-1", "f", "g"}) call(PUT, std::string("files/Volumes/c/s/v/d/") + name, "xy");
  call(PUT, "files/Volumes/c/s/v/d/e/inner", "x");
  std::vector<std::string> seen;
  std::string token;
  for (int pages = 0; pages < 10; ++pages) {
    const auto a =
        call(GET, "directories/Volumes/c/s/v/d?page_size=1" + (token.empty() ? "" : "&page_token=" + api::percent_encode(token)), "", "reader");
    ASSERT_EQ(a.status, 200) << a.text;
    for (const auto& e : a.body.at("contents").as_array()) seen.emplace_back(e.at("path").as_string());
    token = a.at("next_page_token");
    if (token.empty()) break;
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"/Volumes/c/s/v/d/e-1", "/Volumes/c/s/v/d/e", "/Volumes/c/s/v/d/f", "/Volumes/c/s/v/d/g"}));
  EXPECT_EQ(call(GET, "directories/Volumes/c/s/v/d?page_token=x").status, 400);
  const auto full = call(DELETE, "directories/Volumes/c/s/v/d");
  EXPECT_EQ(full.status, 400);
  EXPECT_EQ(why(full), "FILES_API_DIRECTORY_IS_NOT_EMPTY");
  call(DELETE, "files/Volumes/c/s/v/d/e/inner");
  EXPECT_EQ(call(DELETE, "directories/Volumes/c/s/v/d/e").status, 204);
  EXPECT_EQ(call(DELETE, "directories/Volumes/c/s/v/d/e").status, 404);
  EXPECT_EQ(call(DELETE, "directories/Volumes/c/s/v").status, 400);
  EXPECT_EQ(call(GET, "directories/Volumes/c/s/v/d/f").status, 404) << "a file is no directory";
}

TEST_F(FilesTest, RightsAreTheVolumes) {
  call(PUT, kFile, "x");
  EXPECT_EQ(call(GET, kFile, "", "outsider").status, 403);
  EXPECT_EQ(call(GET, kFile, "", "outsider").message(), "User does not have READ VOLUME on Volume 'c.s.v'.");
  EXPECT_EQ(call(PUT, std::string(kFile) + "?overwrite=true", "y", "reader").status, 403);
  EXPECT_EQ(call(DELETE, kFile, "", "reader").status, 403);
  EXPECT_EQ(call(PUT, "directories/Volumes/c/s/v/d", "", "reader").status, 403);
  EXPECT_EQ(call(DELETE, "directories/Volumes/c/s/v/in", "", "reader").status, 403);
  EXPECT_EQ(call(GET, "directories/Volumes/c/s/v", "", "outsider").status, 403);
  EXPECT_EQ(sent(call(GET, kFile, "", "reader")), "x");
  EXPECT_EQ(call(GET, "files/Volumes/c/s/other/a").status, 404);
}

TEST_F(FilesTest, PathsThatAreNoneAreRefused) {
  for (const auto* path : {"files/Workspace/a", "files/Volumes/c/s", "files/Volumes", "files/Volumes/c.x/s/v/a", "files/Volumes/c/s/v/.tarn.object",
                           "files/Volumes/c/s/v/a%0Ab"}) {
    const auto a = call(PUT, path, "x");
    EXPECT_EQ(a.status, 400) << path;
    EXPECT_EQ(why(a), "FILES_API_INVALID_PATH") << path;
  }
  EXPECT_EQ(call(PUT, "files/Volumes/c/s/v/a%2F..%2Fb", "x").status, 400);
  EXPECT_EQ(call(GET, "directories/Volumes/c/s/v?page_size=-1").status, 400);
}

TEST_F(FilesTest, PartsAreNotEnabledAndSaidSoTheVendorsWay) {
  EXPECT_EQ(call(POST, std::string(kFile) + "?action=initiate-upload").status, 200);
  EXPECT_EQ(call(POST, std::string(kFile) + "?action=initiate-upload", "", "outsider").status, 403);
  EXPECT_EQ(why(call(POST, "create-upload-part-urls", "{}")), "FILES_API_API_IS_NOT_ENABLED");
  EXPECT_EQ(why(call(POST, "create-download-url", "{}")), "FILES_API_API_IS_NOT_ENABLED");
}

}  // namespace
}  // namespace tarn::files
