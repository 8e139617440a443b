// The S3 endpoint alone behind a plain HTTP listener, for tests with independent clients: s3_test_server FOLDER
// Prints {"endpoint": …}, then answers commands on standard input, one JSON line each:
//   {"vend": {"prefixes": […], "access": "read"|"read_write", "lifetime_ms": N}}   temporary credentials
//   {"presign": {"method": …, "url": "s3://…", "lifetime_ms": N}}                  a URL
//   {"advance_ms": N}                                                             moves the server's clock
//   {"audit": true}                                                               the audit events of storage so far
// Ends when standard input closes.
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <fstream>
#include <iostream>

#include "base/ids.h"
#include "objects/s3_endpoint.h"

namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using tcp = boost::asio::ip::tcp;
using namespace tarn;

class MovableClock final : public Clock {
 public:
  Millis now() const override { return SystemClock().now() + ahead; }
  std::atomic<Millis> ahead{0};
};

std::optional<api::Method> method_of(std::string_view name) { return json::enum_of<api::Method>(name); }

void serve(tcp::socket socket, objects::S3Endpoint& endpoint, const std::string& folder) {
  beast::error_code ec;
  beast::flat_buffer buffer;
  while (true) {
    http::request_parser<http::string_body> parser;
    parser.body_limit(256u << 20);
    http::read_header(socket, buffer, parser, ec);
    if (ec) break;
    api::Request r;
    const auto fill = [&] {
      const auto& m = parser.get();
      const auto method = method_of({m.method_string().data(), m.method_string().size()});
      if (!method) return false;
      r.method = *method;
      const std::string target(m.target());
      const auto q = target.find('?');
      r.path = target.substr(0, q);
      r.raw_query = q == std::string::npos ? "" : target.substr(q + 1);
      for (const auto& f : m) {
        std::string name(f.name_string());
        std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        r.headers[name] = std::string(f.value());
      }
      r.host = r.headers["host"].substr(0, r.headers["host"].find(':'));
      r.context.request_id = new_uuid();
      return true;
    };
    if (!fill()) break;
    std::optional<api::Reply> reply = endpoint.admit(r);
    if (beast::iequals(parser.get()[http::field::expect], "100-continue") && !reply) {
      http::response<http::empty_body> go(http::status::continue_, 11);
      http::write(socket, go, ec);
    }
    http::read(socket, buffer, parser, ec);
    if (ec) break;
    if (!reply) {
      r.body = std::move(parser.get().body());
      if (r.body.size() > (64u << 10)) {  // the gateway spools what is large
        r.body_file = folder + "/spool-" + new_hex(8);
        std::ofstream(r.body_file, std::ios::binary) << r.body;
        r.body.clear();
      }
      reply = endpoint.handle(r);
      if (!r.body_file.empty()) ::unlink(r.body_file.c_str());
    }
    http::response<http::string_body> out(static_cast<http::status>(reply->status), 11);
    for (const auto& [k, v] : reply->headers) out.insert(k, v);
    if (!reply->content_type.empty()) out.set(http::field::content_type, reply->content_type);
    std::uint64_t length = reply->body.size();
    if (reply->file) {
      length = reply->file->length;
      if (r.method != api::Method::HEAD) {
        std::ifstream in(reply->file->path, std::ios::binary);
        in.seekg(static_cast<std::streamoff>(reply->file->offset));
        out.body().resize(length);
        in.read(out.body().data(), static_cast<std::streamsize>(length));
      }
    } else if (r.method != api::Method::HEAD) {
      out.body() = std::move(reply->body);
    }
    if (reply->status != 204 && reply->status != 304) out.content_length(length);
    out.keep_alive(parser.get().keep_alive());
    http::response_serializer<http::string_body> serializer(out);
    if (r.method == api::Method::HEAD)
      http::write_header(socket, serializer, ec);
    else
      http::write(socket, serializer, ec);
    if (ec || !parser.get().keep_alive()) break;
  }
  socket.shutdown(tcp::socket::shutdown_both, ec);
}

struct Vend {
  std::vector<std::string> prefixes;
  std::string access;
  Millis lifetime_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Vend, (), (prefixes, access, lifetime_ms))
struct Presign {
  std::string method, url;
  Millis lifetime_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Presign, (), (method, url, lifetime_ms))
struct Command {
  std::optional<Vend> vend;
  std::optional<Presign> presign;
  std::optional<Millis> advance_ms;
  std::optional<bool> audit;
};
BOOST_DESCRIBE_STRUCT(Command, (), (vend, presign, advance_ms, audit))

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  MovableClock clock;
  const auto store = store::open_store("sqlite:" + folder + "/store.db", clock);
  const crypto::Keyring keys(crypto::random_bytes(32));
  objects::LocalObjects objects(folder + "/objects");
  objects::SessionCredentials credentials(keys, clock, "us-east-1");
  objects::S3Endpoint endpoint(objects, credentials, *store, clock);
  for (const char* bucket : {"root-bucket", "other-bucket"})
    if (!objects.create_bucket(bucket)) return 1;

  boost::asio::io_context io;
  tcp::acceptor acceptor(io, {boost::asio::ip::make_address("127.0.0.1"), 0});
  const std::string url = fmt::format("http://127.0.0.1:{}", acceptor.local_endpoint().port());
  credentials.set_endpoint(url);
  std::cout << json::encode_text(json::value{{"endpoint", url}}) << std::endl;
  std::thread([&] {
    while (true) {
      beast::error_code ec;
      tcp::socket socket(io);
      acceptor.accept(socket, ec);
      if (ec) return;
      std::thread([&, s = std::move(socket)]() mutable { serve(std::move(s), endpoint, folder); }).detach();  // lives as long as this process
    }
  }).detach();

  for (std::string line; std::getline(std::cin, line);) {
    const auto c = json::decode_text<Command>(line);
    if (!c) {
      std::cerr << c.error().message() << std::endl;
      return 1;
    }
    json::object out;
    if (c->vend) {
      const auto v =
          *credentials.vend({c->vend->prefixes, c->vend->access == "read" ? objects::Access::read : objects::Access::read_write, "ann@example.com"},
                            c->vend->lifetime_ms);
      out = {{"access_key_id", v.access_key_id},
             {"secret_access_key", v.secret_access_key},
             {"session_token", v.session_token},
             {"expires_at", v.expires_at}};
    }
    if (c->presign) out["url"] = credentials.presign(c->presign->method, *objects::Url::parse(c->presign->url), c->presign->lifetime_ms);
    if (c->advance_ms) clock.ahead += *c->advance_ms;
    if (c->audit) {
      store->flush_audit();
      json::array events;
      for (const auto& e : store->audit_log({.service = "storage"}, 100'000)) events.push_back(json::encode(e.event));
      out["events"] = events;
    }
    std::cout << json::encode_text(json::value(out)) << std::endl;
  }
  std::_Exit(0);  // connections may still be open; their threads end here
}
