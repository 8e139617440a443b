#pragma once
// The token service beside the S3 endpoint: AssumeRole (AWS STS API reference). A session narrows itself: the caller signs with credentials that
// this storage vended, and gets new ones for what its session policy allows, never more than its own, never longer than they live. So an
// engine, or another platform whose buckets lie here, hands out less than it holds. Roles are not kept here: RoleArn is shown, not looked up.
// Private to this room.
#include "objects/s3_call.h"

namespace tarn::objects::s3 {

/// Whether a request is one of the STS query API.
bool is_sts(const api::Request& request);
/// The reply, and who asked; errors in the STS query API's own document.
struct StsOutcome {
  api::Reply reply;
  std::string principal, error;
};
StsOutcome answer_sts(const api::Request& request, LocalObjects& objects, SessionCredentials& credentials, Millis now);

}  // namespace tarn::objects::s3
