#include "api/multipart.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/text.h"

namespace tarn::api {
namespace {

constexpr std::size_t kMostParts = 1000, kMostHeaders = 16u << 10, kMostText = 64u << 10;

/// The value of a parameter of a header (`name="x"`), unquoted.
std::string parameter(std::string_view header, std::string_view name) {
  const std::string wanted = std::string(name) + "=";
  for (std::size_t at = header.find(wanted); at != header.npos; at = header.find(wanted, at + 1)) {
    if (at > 0 && header[at - 1] != ' ' && header[at - 1] != ';') continue;  // filename= holds name=
    auto rest = header.substr(at + wanted.size());
    if (!rest.starts_with('"')) return std::string(rest.substr(0, rest.find(';')));
    std::string out;
    for (std::size_t i = 1; i < rest.size() && rest[i] != '"'; ++i) {
      if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
      out += rest[i];
    }
    return out;
  }
  return "";
}

}  // namespace

bool Form::is_form(const Request& r) { return lower(r.header("content-type")).starts_with("multipart/form-data"); }

Expected<Form, WireError> Form::of(const Request& r) {
  Form out(r);
  if (r.body_file.empty()) {
    out.mapped_ = r.body;
  } else {
    const int fd = ::open(r.body_file.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat s {};
    const bool fine = fd >= 0 && ::fstat(fd, &s) == 0;
    void* at = fine && s.st_size > 0 ? ::mmap(nullptr, static_cast<std::size_t>(s.st_size), PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (fd >= 0) ::close(fd);
    if (at == MAP_FAILED) throw std::runtime_error("the spool file of a request cannot be read");
    const auto size = static_cast<std::size_t>(s.st_size);
    out.mapping_ = std::shared_ptr<const void>(at, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
    out.mapped_ = {static_cast<const char*>(at), size};
  }
  const std::string boundary = parameter(r.header("content-type"), "boundary");
  if (boundary.empty() || boundary.size() > 70) return fail(malformed("The multipart body has no boundary"));
  const std::string open = "--" + boundary, next = "\r\n--" + boundary;
  std::string_view body = out.mapped_;
  std::size_t at = body.starts_with(open) ? open.size() : body.find(next);
  if (at == body.npos) return fail(malformed("The multipart body does not begin with its boundary"));
  if (!body.starts_with(open)) at += next.size();
  while (true) {
    if (body.substr(at, 2) == "--") return out;
    if (body.substr(at, 2) != "\r\n") return fail(malformed("The multipart body is cut off"));
    at += 2;
    const auto head_end = body.substr(at, kMostHeaders).find("\r\n\r\n");
    if (head_end == body.npos) return fail(malformed("A part of the multipart body has no end of headers"));
    std::string_view head = body.substr(at, head_end);
    FormPart part{.offset = at + head_end + 4};
    while (!head.empty()) {
      const auto line = head.substr(0, head.find("\r\n"));
      head.remove_prefix(std::min(head.size(), line.size() + 2));
      const auto name = lower(line.substr(0, line.find(':')));
      if (name == "content-disposition") part.name = parameter(line, "name"), part.file_name = parameter(line, "filename");
      if (name == "content-type") part.content_type = line.substr(std::min(line.size(), name.size() + 2));
    }
    const auto end = body.find(next, part.offset == 0 ? 0 : part.offset - 2);  // an empty part ends where its headers do
    if (end == body.npos) return fail(malformed("A part of the multipart body is cut off"));
    part.length = end < part.offset ? 0 : end - part.offset;
    if (out.parts_.size() >= kMostParts) return fail(WireError{413, "REQUEST_LIMIT_EXCEEDED", "The multipart body has too many parts"});
    out.parts_.push_back(std::move(part));
    at = end + next.size();
  }
}

const FormPart* Form::find(std::string_view name) const {
  for (const auto& p : parts_)
    if (p.name == name) return &p;
  return nullptr;
}

Expected<std::optional<std::string>, WireError> Form::text(std::string_view name) const {
  const auto* part = find(name);
  if (!part) return std::nullopt;
  if (part->length > kMostText) return fail(bad_request("Field '" + std::string(name) + "' is too long"));
  return bytes(*part);
}

std::string_view Form::view(std::uint64_t offset, std::uint64_t length) const { return mapped_.substr(offset, length); }

std::string Form::bytes(const FormPart& part) const { return std::string(view(part.offset, part.length)); }

bool Form::save(const FormPart& part, const std::string& path) const {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  const auto all = view(part.offset, part.length);
  out.write(all.data(), static_cast<std::streamsize>(all.size()));
  return static_cast<bool>(out.flush());
}

Expected<std::string, WireError> whole_body(const Request& r, std::uint64_t most) {
  const auto refused = [&](std::uint64_t size) {
    return fail(WireError{413, "REQUEST_LIMIT_EXCEEDED", fmt::format("The request body has {} bytes; the most is {}", size, most)});
  };
  if (r.body_file.empty()) {
    if (r.body.size() > most) return refused(r.body.size());
    return r.body;
  }
  std::ifstream in(r.body_file, std::ios::binary | std::ios::ate);
  if (!in) throw std::runtime_error("the spool file of a request cannot be read");
  const auto size = static_cast<std::uint64_t>(in.tellg());
  if (size > most) return refused(size);
  std::string out(size, '\0');
  in.seekg(0).read(out.data(), static_cast<std::streamsize>(size));
  if (!in) throw std::runtime_error("the spool file of a request cannot be read");
  return out;
}

}  // namespace tarn::api
