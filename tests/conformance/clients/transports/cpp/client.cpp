// Calls a server over grpc-c++ with messages that somebody else has encoded.
//
// Requests lie in a folder as NAME.request, and what is answered is written there as CASE.answer.
// Each case prints "ok NAME" or "not ok NAME: WHY".

#include <arpa/inet.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using grpc::StatusCode;
using std::chrono::milliseconds;

namespace {

constexpr int kCalls = 500;

std::string setting(const char* name, const char* otherwise = nullptr) {
  const char* found = std::getenv(name);
  if (found == nullptr) found = otherwise;
  if (found == nullptr) throw std::runtime_error(std::string(name) + " is not set");
  return found;
}

void expect(bool holds, const std::string& told) {
  if (!holds) throw std::runtime_error(told);
}

std::string file(const std::string& path) {
  std::ifstream input(path, std::ios::binary);
  expect(input.good(), "cannot read " + path);
  return {std::istreambuf_iterator<char>(input), {}};
}

std::string request(const std::string& name) {
  return file(setting("ELANUS_MESSAGES") + "/" + name + ".request");
}

std::string text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  expect(buffer.Dump(&slices).ok(), "an answer that cannot be read");
  std::string found;
  for (const auto& slice : slices) {
    found.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return found;
}

// One call under way, or over.
struct Call {
  grpc::ClientContext context;
  grpc::ByteBuffer asked, answer;
  grpc::Status status;

  void begin(grpc::GenericStub& stub, const std::string& name, const std::string& message) {
    grpc::Slice slice(message);
    asked = grpc::ByteBuffer(&slice, 1);
    stub.UnaryCall(&context, "/milvus.proto.milvus.MilvusService/" + name, grpc::StubOptions(),
                   &asked, &answer, [this](grpc::Status told) {
                     std::lock_guard lock(mutex_);
                     status = std::move(told);
                     is_over_ = true;
                     ended_.notify_all();
                   });
  }

  void wait() {
    std::unique_lock lock(mutex_);
    expect(ended_.wait_for(lock, std::chrono::seconds(60), [this] { return is_over_; }),
           "a call without an end");
  }

  std::string told() const {
    return std::to_string(status.error_code()) + " " + status.error_message();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_over_ = false;
};

using Prepare = std::function<void(grpc::ClientContext&)>;

void call(Call& made, grpc::GenericStub& stub, const std::string& name, const std::string& message,
          const Prepare& prepare = {}) {
  if (prepare) prepare(made.context);
  made.begin(stub, name, message);
  made.wait();
}

void answered(grpc::GenericStub& stub, const std::string& name, const std::string& from,
              const std::string& to, const Prepare& prepare = {}) {
  Call made;
  call(made, stub, name, request(from), prepare);
  expect(made.status.ok(), made.told());
  std::ofstream output(setting("ELANUS_MESSAGES") + "/" + to + ".answer", std::ios::binary);
  output << text(made.answer);
}

void refused(StatusCode code, grpc::GenericStub& stub, const std::string& name,
             const std::string& message, const Prepare& prepare = {}) {
  Call made;
  call(made, stub, name, message, prepare);
  expect(made.status.error_code() == code, made.told());
}

void metadata(grpc::GenericStub& stub) {
  answered(stub, "HasCollection", "has", "headers", [](grpc::ClientContext& context) {
    for (int place = 0; place < 50; ++place) {
      std::string value;
      for (int times = 0; times < 12; ++times) value += "value ";
      context.AddMetadata("x-header-" + std::to_string(place), value + std::to_string(place));
    }
    std::string bytes;
    for (int value = 0; value < 256; ++value) bytes += static_cast<char>(value);
    context.AddMetadata("trace-bin", bytes);
  });
  answered(stub, "Connect", "connect", "dbname",
           [](grpc::ClientContext& context) { context.AddMetadata("dbname", "none"); });
}

void cancelled(grpc::GenericStub& stub) {
  Call search;
  search.begin(stub, "Search", request("long"));
  // It is answered behind the other, on the same connection.
  Call other;
  call(other, stub, "HasCollection", request("has"));
  search.context.TryCancel();
  search.wait();
  expect(search.status.error_code() == StatusCode::CANCELLED, search.told());
}

void many(grpc::GenericStub& stub) {
  std::deque<Call> calls(kCalls);
  const std::string given = request("describe");
  auto name_of = [](int number) {
    char digits[8];
    std::snprintf(digits, sizeof digits, "%04d", number);
    return std::string(digits);
  };
  for (int number = 0; number < kCalls; ++number) {
    calls[number].begin(stub, "DescribeCollection",
                        given.substr(0, given.size() - 4) + name_of(number));
    if (number % 10 == 0) calls[number].context.TryCancel();
  }
  for (int number = 0; number < kCalls; ++number) calls[number].wait();
  for (int number = 0; number < kCalls; ++number) {
    const Call& made = calls[number];
    if (number % 10 == 0 && made.status.error_code() == StatusCode::CANCELLED) continue;
    expect(made.status.ok(), name_of(number) + ": " + made.told());
    expect(text(made.answer).find("none-" + name_of(number)) != std::string::npos,
           name_of(number) + ": the answer to another");
  }
}

// Returns once the server has drained, ended and come again.
void restart() {
  const int line = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(setting("ELANUS_RESTART"))));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  expect(connect(line, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
         "nobody restarts the server");
  char read_bytes[16];
  while (read(line, read_bytes, sizeof read_bytes) > 0) {
  }
  close(line);
}

void patient(grpc::ClientContext& context) { context.set_wait_for_ready(true); }

void restarted(grpc::GenericStub& stub) {
  std::atomic<bool> is_over = false;
  std::mutex mutex;
  std::string failed;
  const std::string asked = request("has");
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&] {
      while (!is_over) {
        Call made;
        call(made, stub, "HasCollection", asked, patient);
        if (!made.status.ok()) {
          std::lock_guard lock(mutex);
          failed = made.told();
          return;
        }
      }
    });
  }
  restart();
  Call again;
  call(again, stub, "HasCollection", asked, patient);
  is_over = true;
  for (auto& caller : callers) caller.join();
  expect(again.status.ok(), again.told());
  expect(failed.empty(), failed);
}

std::string base64(const std::string& raw) {
  const std::string letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string made;
  for (size_t at = 0; at < raw.size(); at += 3) {
    uint32_t three = 0;
    for (size_t place = 0; place < 3; ++place) {
      three = three << 8 | (at + place < raw.size() ? static_cast<uint8_t>(raw[at + place]) : 0);
    }
    for (size_t place = 0; place < 4; ++place) {
      made += at + place <= raw.size() ? letters[three >> (18 - 6 * place) & 63] : '=';
    }
  }
  return made;
}

void secured() {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = file(setting("ELANUS_CERTIFICATE"));
  grpc::GenericStub stub(
      grpc::CreateChannel(setting("ELANUS_SECURED_URI").substr(8), grpc::SslCredentials(options)));
  auto as = [](const std::string& who) {
    return
        [who](grpc::ClientContext& context) { context.AddMetadata("authorization", base64(who)); };
  };
  answered(stub, "HasCollection", "has", "secured", as("root:" + setting("ELANUS_ROOT_PASSWORD")));
  refused(StatusCode::UNAUTHENTICATED, stub, "HasCollection", request("has"), as("root:wrong"));
}

void run(const std::string& name, const std::function<void()>& test) {
  try {
    test();
    std::cout << "ok " << name << std::endl;
  } catch (const std::exception& why) {
    std::cout << "not ok " << name << ": " << why.what() << std::endl;
  }
}

}  // namespace

int main() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The server comes again at once; it is not waited for much longer.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  grpc::GenericStub stub(grpc::CreateCustomChannel(setting("ELANUS_URI").substr(7),
                                                   grpc::InsecureChannelCredentials(), arguments));
  run("unary", [&] { answered(stub, "HasCollection", "has", "unary"); });
  run("large", [&] {
    answered(stub, "Insert", "insert", "insert");
    answered(stub, "Query", "query", "query");
  });
  run("compressed", [&] {
    answered(stub, "Insert", "smaller", "compressed", [](grpc::ClientContext& context) {
      context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    });
  });
  run("metadata", [&] { metadata(stub); });
  run("unknown", [&] { refused(StatusCode::UNIMPLEMENTED, stub, "NoSuchCall", ""); });
  run("deadline", [&] {
    refused(StatusCode::DEADLINE_EXCEEDED, stub, "Search", request("long"),
            [](grpc::ClientContext& context) {
              context.set_deadline(std::chrono::system_clock::now() + milliseconds(300));
            });
  });
  run("cancelled", [&] { cancelled(stub); });
  run("many", [&] { many(stub); });
  run("idle", [&] {
    std::this_thread::sleep_for(std::chrono::seconds(std::stoi(setting("ELANUS_IDLE_S", "0"))));
    answered(stub, "HasCollection", "has", "idle");
  });
  run("restarted", [&] { restarted(stub); });
  run("secured", secured);
}
