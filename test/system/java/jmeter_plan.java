// The plan that artemis-disruptor-miaosha comes with, in JMeter's engine: 300 threads that each
// order over a connection that is kept, `POST /miaosha/order` with itemId=1. It is built here,
// because Debian's JMeter 2.13 reads no saved plan.
//   java -cp '/usr/share/jmeter/bin/ApacheJMeter.jar:/usr/share/jmeter/lib/ext/*' \
//     jmeter_plan.java PORT ORDERS_PER_THREAD
// Prints `JMETER answered=… wrong=… seconds=…` and an answer that was wrong, if any.

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.jmeter.control.LoopController;
import org.apache.jmeter.engine.StandardJMeterEngine;
import org.apache.jmeter.engine.util.NoThreadClone;
import org.apache.jmeter.protocol.http.sampler.HTTPSamplerProxy;
import org.apache.jmeter.samplers.SampleEvent;
import org.apache.jmeter.samplers.SampleListener;
import org.apache.jmeter.testelement.AbstractTestElement;
import org.apache.jmeter.testelement.TestPlan;
import org.apache.jmeter.util.JMeterUtils;
import org.apache.jorphan.collections.ListedHashTree;

class JmeterPlan {
  static final int THREADS = 300;

  public static class Count extends AbstractTestElement implements SampleListener, NoThreadClone {
    static final AtomicInteger answered = new AtomicInteger(), wrong = new AtomicInteger();
    static final AtomicReference<String> example = new AtomicReference<>("");

    @Override public void sampleOccurred(SampleEvent event) {
      var result = event.getResult();
      answered.incrementAndGet();
      if (result.getResponseCode().equals("200")
          && result.getResponseDataAsString().contains("\"itemId\":1")) return;
      wrong.incrementAndGet();
      example.set(result.getResponseCode() + " " + result.getResponseDataAsString());
    }
    @Override public void sampleStarted(SampleEvent event) {}
    @Override public void sampleStopped(SampleEvent event) {}
  }

  static HTTPSamplerProxy order(int port) {
    var order = new HTTPSamplerProxy("HttpClient4");
    order.setDomain("127.0.0.1");
    order.setPort(port);
    order.setProtocol("http");
    order.setPath("/miaosha/order");
    order.setMethod("POST");
    order.addArgument("itemId", "1");
    order.setUseKeepAlive(true);
    order.setConnectTimeout("10000");
    order.setResponseTimeout("20000");
    return order;
  }

  static org.apache.jmeter.threads.ThreadGroup crowd(int each) {
    var loops = new LoopController();
    loops.setLoops(each);
    loops.setFirst(true);
    loops.initialize();
    var crowd = new org.apache.jmeter.threads.ThreadGroup();
    crowd.setNumThreads(THREADS);
    crowd.setRampUp(1);
    crowd.setSamplerController(loops);
    return crowd;
  }

  public static void main(String[] arguments) {
    JMeterUtils.setJMeterHome("/usr/share/jmeter");
    JMeterUtils.loadJMeterProperties("/usr/share/jmeter/bin/jmeter.properties");
    JMeterUtils.initLocale();
    var tree = new ListedHashTree();
    var plan = tree.add(new TestPlan("orders"));
    var group = plan.add(crowd(Integer.parseInt(arguments[1])));
    group.add(order(Integer.parseInt(arguments[0])));
    group.add(new Count());
    var engine = new StandardJMeterEngine();
    engine.configure(tree);
    long begun = System.nanoTime();
    engine.run();
    System.out.printf("JMETER answered=%d wrong=%d seconds=%.1f %s%n", Count.answered.get(),
        Count.wrong.get(), (System.nanoTime() - begun) / 1e9, Count.example.get());
    System.exit(0);  // the engine leaves threads of its own
  }
}
