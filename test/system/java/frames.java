// A program of somebody who has read docs/protocol.md and nothing else: jeromq's sockets, frames of
// msgpack-core, no client of this project.
//   java -cp /usr/share/java/jeromq.jar:/usr/share/java/msgpack-core.jar frames.java \
//     ENDPOINT NEWS ITEM
// Hears the news of the item, buys 40 units through a DEALER, all at once, and 10 through a REQ, one
// by one. Prints a line for each answer, id, state or code, order id; then what was left at the
// first news and at the last.

import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;
import org.msgpack.core.MessagePack;
import org.zeromq.ZMQ;

class Frames {
  static final int PATIENCE_MS = 5_000;

  static byte[] order(String id, long item) throws IOException {
    try (var packer = MessagePack.newDefaultBufferPacker()) {
      packer.packMapHeader(5);
      packer.packString("op").packString("order");
      packer.packString("id").packString(id);
      packer.packString("item").packLong(item);
      packer.packString("user").packString("jeromq");
      packer.packString("qty").packInt(1);
      return packer.toByteArray();
    }
  }

  static Map<String, String> read(byte[] frame) throws IOException {
    if (frame == null) throw new IOException("nothing came within " + PATIENCE_MS + " ms");
    var found = new TreeMap<String, String>();
    try (var unpacker = MessagePack.newDefaultUnpacker(frame)) {
      for (int left = unpacker.unpackMapHeader(); left > 0; --left)
        found.put(unpacker.unpackString(), unpacker.unpackValue().toString());
    }
    return found;
  }

  static ZMQ.Socket socket(ZMQ.Context context, int kind, String endpoint) {
    var made = context.socket(kind);
    made.setLinger(0);
    made.setReceiveTimeOut(PATIENCE_MS);
    made.connect(endpoint);
    return made;
  }

  static boolean tell(Map<String, String> answer) {
    String state = answer.getOrDefault("state", answer.get("code"));
    System.out.println(answer.get("id") + " " + state + " " + answer.get("order_id"));
    return state.equals("confirmed");
  }

  static long left(ZMQ.Socket news) throws IOException {
    news.recv();  // the topic
    return Long.parseLong(read(news.recv()).get("left"));
  }

  public static void main(String[] arguments) throws IOException {
    long item = Long.parseLong(arguments[2]);
    var context = ZMQ.context(1);
    var news = socket(context, ZMQ.SUB, arguments[1]);
    news.subscribe(("stock/" + item + "/").getBytes());
    long before = left(news), sold = 0;
    var dealer = socket(context, ZMQ.DEALER, arguments[0]);
    for (int at = 0; at < 40; ++at) dealer.send(order("jeromq-d" + at, item));
    for (int at = 0; at < 40; ++at) sold += tell(read(dealer.recv())) ? 1 : 0;
    var request = socket(context, ZMQ.REQ, arguments[0]);
    for (int at = 0; at < 10; ++at) {
      request.send(order("jeromq-r" + at, item));
      sold += tell(read(request.recv())) ? 1 : 0;
    }
    long now = before;
    while (now > before - sold) now = left(news);
    System.out.println("left " + before + " " + now);
    for (var one : new ZMQ.Socket[] {news, dealer, request}) one.close();
    context.term();
  }
}
