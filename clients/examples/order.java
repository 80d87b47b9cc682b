// Buys one unit of item 1 over HTTP: java order.java USER [HOST:PORT]; a user without " and \ in it.
// Exit: 0 confirmed, 8 rejected, 1 refused (the code is shown), 5 no final answer.
import java.io.IOException;
import java.net.URI;
import java.net.http.*;
import java.time.Duration;
import java.util.UUID;

class Order {
  public static void main(String[] args) throws InterruptedException {
    String host = args.length > 1 ? args[1] : "127.0.0.1:8080", id = UUID.randomUUID().toString();
    var order = HttpRequest.newBuilder(URI.create("http://" + host + "/v1/orders"))
        .headers("Idempotency-Key", id, "Content-Type", "application/json", "Prefer", "wait=5")
        .POST(HttpRequest.BodyPublishers.ofString("{\"item\":1,\"user\":\"" + args[0] + "\"}"))
        .timeout(Duration.ofSeconds(10)).build();
    var client = HttpClient.newHttpClient();
    int status = 0;
    String said = "no answer; id " + id;
    for (int n = 0; n < 20; ++n) { // silence, 202, 429 and 5xx say nothing: the same id again,
      try {                        // which never buys twice
        var reply = client.send(order, HttpResponse.BodyHandlers.ofString());
        status = reply.statusCode();
        said = reply.body();
        if (status == 200 || status == 201 || refused(status)) break;
      } catch (IOException silence) { /* the connection says no more than that */ }
      Thread.sleep(500);
    }
    System.out.println(said);
    boolean rejected = said.contains("\"state\":\"rejected\""); // other refusals decide nothing
    System.exit(status == 200 || status == 201 ? 0 : rejected ? 8 : refused(status) ? 1 : 5);
  }

  static boolean refused(int status) { return status / 100 == 4 && status != 429; }
}
