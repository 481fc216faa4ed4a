import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Calls a server over grpc-java with messages that somebody else has encoded.
 *
 * <p>Requests lie in a folder as NAME.request, and what is answered is written there as
 * CASE.answer. Each case prints "ok NAME" or "not ok NAME: WHY". There is no TLS: the Netty of
 * Debian knows no ALPN.
 */
public final class Client {
  private static final int CALLS = 500;
  private static final Path FOLDER = Path.of(System.getenv("ELANUS_MESSAGES"));

  private enum Bytes implements MethodDescriptor.Marshaller<byte[]> {
    INSTANCE;

    @Override
    public InputStream stream(byte[] value) {
      return new ByteArrayInputStream(value);
    }

    @Override
    public byte[] parse(InputStream stream) {
      try {
        return stream.readAllBytes();
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }
  }

  private interface Case {
    void run() throws Exception;
  }

  private static MethodDescriptor<byte[], byte[]> method(String name) {
    return MethodDescriptor.<byte[], byte[]>newBuilder()
        .setType(MethodDescriptor.MethodType.UNARY)
        .setFullMethodName("milvus.proto.milvus.MilvusService/" + name)
        .setRequestMarshaller(Bytes.INSTANCE)
        .setResponseMarshaller(Bytes.INSTANCE)
        .build();
  }

  private static byte[] request(String name) throws IOException {
    return Files.readAllBytes(FOLDER.resolve(name + ".request"));
  }

  private static byte[] call(
      io.grpc.Channel channel, CallOptions options, String name, byte[] request) {
    return ClientCalls.blockingUnaryCall(channel, method(name), options, request);
  }

  private static void answered(
      io.grpc.Channel channel, CallOptions options, String name, String request, String file)
      throws IOException {
    Files.write(FOLDER.resolve(file + ".answer"), call(channel, options, name, request(request)));
  }

  private static void expect(boolean holds, String told) {
    if (!holds) {
      throw new IllegalStateException(told);
    }
  }

  private static void refused(Status.Code code, Case call) throws Exception {
    try {
      call.run();
    } catch (StatusRuntimeException error) {
      expect(error.getStatus().getCode() == code, error.getStatus().toString());
      return;
    }
    throw new IllegalStateException("answered instead of " + code);
  }

  private static io.grpc.Channel with(io.grpc.Channel channel, String... pairs) {
    Metadata headers = new Metadata();
    for (int place = 0; place < pairs.length; place += 2) {
      headers.put(
          Metadata.Key.of(pairs[place], Metadata.ASCII_STRING_MARSHALLER), pairs[place + 1]);
    }
    return io.grpc.ClientInterceptors.intercept(
        channel, MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  private static void metadata(io.grpc.Channel channel) throws Exception {
    String[] pairs = new String[100];
    for (int place = 0; place < pairs.length; place += 2) {
      pairs[place] = "x-header-" + place;
      pairs[place + 1] = "value ".repeat(12) + place;
    }
    Metadata bytes = new Metadata();
    byte[] all = new byte[256];
    for (int value = 0; value < all.length; value++) {
      all[value] = (byte) value;
    }
    bytes.put(Metadata.Key.of("trace-bin", Metadata.BINARY_BYTE_MARSHALLER), all);
    io.grpc.Channel traced =
        io.grpc.ClientInterceptors.intercept(
            with(channel, pairs), MetadataUtils.newAttachHeadersInterceptor(bytes));
    answered(traced, CallOptions.DEFAULT, "HasCollection", "has", "headers");
    answered(with(channel, "dbname", "none"), CallOptions.DEFAULT, "Connect", "connect", "dbname");
  }

  private static void cancelled(ManagedChannel channel) throws Exception {
    ClientCall<byte[], byte[]> call = channel.newCall(method("Search"), CallOptions.DEFAULT);
    CountDownLatch ended = new CountDownLatch(1);
    Status[] told = new Status[1];
    ClientCalls.asyncUnaryCall(
        call,
        request("long"),
        new StreamObserver<byte[]>() {
          @Override
          public void onNext(byte[] value) {}

          @Override
          public void onError(Throwable error) {
            told[0] = Status.fromThrowable(error);
            ended.countDown();
          }

          @Override
          public void onCompleted() {
            ended.countDown();
          }
        });
    // It is answered behind the other, on the same connection.
    call(channel, CallOptions.DEFAULT, "HasCollection", request("has"));
    call.cancel("given up", null);
    ended.await();
    expect(told[0] != null && told[0].getCode() == Status.Code.CANCELLED, "" + told[0]);
  }

  private static void many(ManagedChannel channel) throws Exception {
    ConcurrentLinkedQueue<String> failed = new ConcurrentLinkedQueue<>();
    CountDownLatch left = new CountDownLatch(CALLS);
    byte[] given = request("describe");
    for (int number = 0; number < CALLS; number++) {
      String name = String.format("%04d", number);
      byte[] asked = given.clone();
      System.arraycopy(name.getBytes(StandardCharsets.UTF_8), 0, asked, asked.length - 4, 4);
      boolean isGivenUp = number % 10 == 0;
      ClientCall<byte[], byte[]> call =
          channel.newCall(method("DescribeCollection"), CallOptions.DEFAULT);
      ClientCalls.asyncUnaryCall(
          call,
          asked,
          new StreamObserver<byte[]>() {
            @Override
            public void onNext(byte[] answer) {
              if (!new String(answer, StandardCharsets.ISO_8859_1).contains("none-" + name)) {
                failed.add(name + ": the answer to another");
              }
            }

            @Override
            public void onError(Throwable error) {
              if (!isGivenUp || Status.fromThrowable(error).getCode() != Status.Code.CANCELLED) {
                failed.add(name + ": " + error);
              }
              left.countDown();
            }

            @Override
            public void onCompleted() {
              left.countDown();
            }
          });
      if (isGivenUp) {
        call.cancel("given up", null);
      }
    }
    expect(left.await(60, TimeUnit.SECONDS), left.getCount() + " calls without an end");
    expect(failed.isEmpty(), failed.size() + " failed: " + failed.peek());
  }

  /** Calls all the time while the server drains, ends and comes again. */
  private static void restarted(ManagedChannel channel) throws Exception {
    AtomicBoolean isOver = new AtomicBoolean();
    ConcurrentLinkedQueue<String> failed = new ConcurrentLinkedQueue<>();
    byte[] asked = request("has");
    CallOptions patient = CallOptions.DEFAULT.withWaitForReady();
    Thread[] callers = new Thread[8];
    for (int place = 0; place < callers.length; place++) {
      callers[place] =
          new Thread(
              () -> {
                while (!isOver.get()) {
                  try {
                    call(channel, patient, "HasCollection", asked);
                  } catch (StatusRuntimeException error) {
                    failed.add(error.toString());
                    return;
                  }
                }
              });
      callers[place].start();
    }
    try (Socket line = new Socket("127.0.0.1", Integer.parseInt(System.getenv("ELANUS_RESTART")))) {
      line.getInputStream().readAllBytes();
    }
    call(channel, patient, "HasCollection", asked);
    isOver.set(true);
    for (Thread caller : callers) {
      caller.join();
    }
    expect(failed.isEmpty(), failed.size() + " failed: " + failed.peek());
  }

  private static void run(String name, Case one) {
    try {
      one.run();
      System.out.println("ok " + name);
    } catch (Throwable why) {
      System.out.println("not ok " + name + ": " + why);
    }
  }

  public static void main(String[] arguments) throws Exception {
    ManagedChannel channel =
        NettyChannelBuilder.forTarget(System.getenv("ELANUS_URI").substring("http://".length()))
            .usePlaintext()
            .maxInboundMessageSize(Integer.MAX_VALUE)
            .keepAliveTime(10, TimeUnit.SECONDS)
            .keepAliveWithoutCalls(true)
            .build();
    CallOptions plain = CallOptions.DEFAULT;
    run("unary", () -> answered(channel, plain, "HasCollection", "has", "unary"));
    run("large", () -> {
      answered(channel, plain, "Insert", "insert", "insert");
      answered(channel, plain, "Query", "query", "query");
    });
    run("compressed", () -> answered(
        channel, plain.withCompression("gzip"), "Insert", "smaller", "compressed"));
    run("metadata", () -> metadata(channel));
    run("unknown", () -> refused(
        Status.Code.UNIMPLEMENTED, () -> call(channel, plain, "NoSuchCall", new byte[0])));
    run("deadline", () -> refused(
        Status.Code.DEADLINE_EXCEEDED,
        () -> call(
            channel, plain.withDeadlineAfter(300, TimeUnit.MILLISECONDS), "Search",
            request("long"))));
    run("cancelled", () -> cancelled(channel));
    run("many", () -> many(channel));
    run("idle", () -> {
      Thread.sleep(1000L * Integer.parseInt(System.getenv().getOrDefault("ELANUS_IDLE_S", "0")));
      answered(channel, plain, "HasCollection", "has", "idle");
    });
    run("restarted", () -> restarted(channel));
    channel.shutdownNow();
  }
}
