#pragma once
// Parses one HTTP/1.1 request incrementally into an api::Request (RFC 9112). Over Beast's parser, which refuses what smuggling needs:
// both framings at once, repeated lengths, bare line feeds, spaces before colons. Header only for the connection and its tests.
#include <boost/beast/http/basic_parser.hpp>
#include <string>

#include "api/api.h"
#include "gateway/body.h"

namespace tarn::gateway {

class RequestReader final : public boost::beast::http::basic_parser<true> {
 public:
  RequestReader(api::Request& request, Body& body, std::uint32_t header_bytes);

  // Valid once is_header_done():
  bool is_connect = false;
  std::optional<api::Method> method;  // nothing for a verb that no route can have
  std::string method_text;
  std::string target;     // as sent
  std::string authority;  // Host, or of an absolute-form or CONNECT target
  bool absolute_form = false;
  bool expects_continue = false;
  std::string problem;  // why the head is refused (400), if it parses but makes no sense

  Body::Error body_error = Body::Error::none;

 private:
  using string_view = boost::beast::string_view;
  using error_code = boost::beast::error_code;
  void on_request_impl(boost::beast::http::verb verb, string_view text, string_view target, int version, error_code& ec) override;
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(boost::beast::http::field, string_view name, string_view value, error_code& ec) override;
  void on_header_impl(error_code& ec) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view part, error_code& ec) override;
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view part, error_code& ec) override;
  void on_finish_impl(error_code& ec) override;

  void split_target();
  api::Request& request_;
  Body& body_;
  bool head_done_ = false;
  int version_ = 11;
};

}  // namespace tarn::gateway
