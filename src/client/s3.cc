#include "client/s3.h"

#include <curl/curl.h>

#include <cstdio>
#include <filesystem>

namespace tarn::client {

Result<void> put_object(const std::string& endpoint, const std::string& ca_file, const std::string& region, const S3Credentials& credentials,
                        const std::string& bucket, const std::string& key, const std::string& file) {
  std::unique_ptr<FILE, int (*)(FILE*)> in(std::fopen(file.c_str(), "rb"), &std::fclose);
  if (!in) return fail(ApiError{0, "", "Cannot read '" + file + "'"});
  std::unique_ptr<CURL, void (*)(CURL*)> handle(curl_easy_init(), &curl_easy_cleanup);
  CURL* c = handle.get();
  const std::string url = endpoint + "/" + bucket + "/" + key, scheme = "aws:amz:" + region + ":s3";
  const std::string user = credentials.access_key_id + ":" + credentials.secret_access_key;
  std::string answer;
  char problem[CURL_ERROR_SIZE] = "";
  curl_slist* headers = curl_slist_append(nullptr, ("x-amz-security-token: " + credentials.session_token).c_str());
  headers = curl_slist_append(headers, "x-amz-content-sha256: UNSIGNED-PAYLOAD");
  headers = curl_slist_append(headers, "Expect:");
  curl_easy_setopt(c, CURLOPT_URL, url.c_str());
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(c, CURLOPT_READDATA, in.get());
  curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(std::filesystem::file_size(file)));
  curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(c, CURLOPT_AWS_SIGV4, scheme.c_str());
  curl_easy_setopt(c, CURLOPT_USERPWD, user.c_str());
  curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 300'000L);
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, problem);
  if (!ca_file.empty()) curl_easy_setopt(c, CURLOPT_CAINFO, ca_file.c_str());
  curl_easy_setopt(
      c, CURLOPT_WRITEFUNCTION, +[](char* data, size_t size, size_t count, void* out) {
        static_cast<std::string*>(out)->append(data, size * count);
        return size * count;
      });
  curl_easy_setopt(c, CURLOPT_WRITEDATA, &answer);
  const CURLcode rc = curl_easy_perform(c);
  curl_slist_free_all(headers);
  long status = 0;
  curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
  if (rc != CURLE_OK) return fail(ApiError{0, "", "No answer from " + url + ": " + problem});
  if (status != 200)
    return fail(ApiError{static_cast<int>(status), "",
                         "PUT s3://" + bucket + "/" + key + " answered " + std::to_string(status) + ": " + answer.substr(0, 400)});
  return {};
}

}  // namespace tarn::client
