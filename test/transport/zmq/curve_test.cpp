// CURVE and ZAP on real sockets: the right key comes in, everything else stays out. "Stays out" is
// shown by an honest peer that comes after the stranger: when its message is there, the stranger's
// would have been, too, and the handler has counted the refusal.

#include "transport/zmq/curve.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "test/support/eventually.h"
#include "test/transport/zmq/zmq_fixture.h"
#include "transport/zmq/socket_setup.h"
#include "transport/zmq/zap.h"

namespace stampede::transport {
namespace {

namespace fs = std::filesystem;

KeyPair minted() {
  char public_key[kKeyText + 1];
  char secret_key[kKeyText + 1];
  REQUIRE(zmq_curve_keypair(public_key, secret_key) == 0);
  return {public_key, secret_key};
}

CurveOptions system_keys(std::vector<std::string> clients = {}) {
  CurveOptions curve;
  curve.own = minted();
  curve.server_key = curve.own.public_key;
  curve.clients = std::move(clients);
  return curve;
}

CurveOptions client_keys(const KeyPair& own, const CurveOptions& system) {
  return {own, system.own.public_key, {}, {}};
}

std::string tcp_place() {
  return "tcp://127.0.0.1:" + std::to_string(free_tcp_port());
}

bool eventually_refused(const Context& context, std::uint64_t count) {
  return test::eventually([&] { return context.peers_refused() >= count; });
}

// A stranger pushes without end at a PULL of the given door; returns what came in beside it.
struct Door {
  explicit Door(const CurveOptions& keys, bool for_clients = false)
      : system(keys), context(keys), endpoint(tcp_place()), socket(context, options(for_clients)) {}

  SocketOptions options(bool for_clients) const {
    SocketOptions made = bind_to(SocketKind::pull, endpoint);
    made.for_clients = for_clients;
    return made;
  }

  bool lets_in(const CurveOptions& keys) {
    Context other(keys);
    Socket peer(other, connect_to(SocketKind::push, endpoint));
    if (!wait_for(peer, ZMQ_POLLOUT, keys_known(keys) ? kPatienceMs : 700)) return false;
    Message parts = message_of({"stranger"});
    static_cast<void>(peer.send(parts));
    return receive_in_time(socket, parts, 700);
  }

  bool keys_known(const CurveOptions& keys) const {
    return keys.on() && keys.own.public_key == system.own.public_key;
  }

  CurveOptions system;
  Context context;
  std::string endpoint;
  Socket socket;
};

TEST_CASE("the system's own key comes in at both doors, what it sends arrives") {
  const auto system = system_keys();
  Door nodes(system);
  CHECK(nodes.lets_in(system));
  Door clients(system, true);
  CHECK(clients.lets_in(system));
  CHECK(nodes.context.peers_refused() == 0);
}

TEST_CASE("a key of the allow-list opens the clients' door only") {
  const KeyPair ann = minted();
  const auto system = system_keys({ann.public_key});
  Door clients(system, true);
  CHECK(clients.lets_in(client_keys(ann, system)));
  Door nodes(system);
  CHECK_FALSE(nodes.lets_in(client_keys(ann, system)));
  CHECK(eventually_refused(nodes.context, 1));
  CHECK(nodes.lets_in(system));
}

TEST_CASE("another allow-list counts from the moment it is given") {
  const KeyPair ann = minted();
  const KeyPair bob = minted();
  auto system = system_keys({ann.public_key});
  Door clients(system, true);
  CHECK(clients.lets_in(client_keys(ann, system)));
  CHECK_FALSE(clients.lets_in(client_keys(bob, system)));
  system.clients = {bob.public_key};
  clients.context.allow(system);
  CHECK(clients.lets_in(client_keys(bob, system)));
  CHECK_FALSE(clients.lets_in(client_keys(ann, system)));
}

TEST_CASE("no key, an unlisted key, a wrong server key: nothing gets in, the rest is served") {
  const KeyPair ann = minted();
  const auto system = system_keys({ann.public_key});
  for (const bool for_clients : {false, true}) {
    CAPTURE(for_clients);
    Door door(system, for_clients);
    CHECK_FALSE(door.lets_in({}));
    CHECK(door.context.peers_refused() == 0);  // refused before a key was shown
    CHECK_FALSE(door.lets_in(client_keys(minted(), system)));
    CHECK(eventually_refused(door.context, 1));
    CHECK_FALSE(door.lets_in(client_keys(ann, system_keys())));
    CHECK(door.lets_in(system));
  }
}

TEST_CASE("a door for small messages still takes a handshake") {
  const auto system = system_keys();
  Context context(system);
  SocketOptions options = bind_to(SocketKind::xpub, tcp_place());
  options.max_message_bytes = 64;
  Socket door(context, options);
  SocketOptions subscriber = connect_to(SocketKind::sub, options.endpoint);
  subscriber.subscriptions = {"stock/1/"};
  Context other(system);
  Socket peer(other, subscriber);
  Message parts;
  CHECK(receive_in_time(door, parts));
}

TEST_CASE("who shows a listed public key without its secret key stays out") {
  const KeyPair ann = minted();
  const auto system = system_keys({ann.public_key});
  Door door(system, true);
  const KeyPair forged{ann.public_key, minted().secret_key};
  CHECK_FALSE(door.lets_in(client_keys(forged, system)));
  CHECK(door.lets_in(client_keys(ann, system)));
}

TEST_CASE("a client does not talk to a server with another key than the system's") {
  const auto system = system_keys();
  const auto impostor = system_keys({system.own.public_key});
  Door door(impostor, true);
  Context context(system);
  Socket peer(context, connect_to(SocketKind::push, door.endpoint));
  CHECK_FALSE(wait_for(peer, ZMQ_POLLOUT, 700));
}

TEST_CASE("without a ZAP handler nobody comes in, not even the right key") {
  const auto system = system_keys();
  const std::string endpoint = tcp_place();
  void* bare = zmq_ctx_new();  // a context of which nobody judges the keys
  void* door = zmq_socket(bare, ZMQ_PULL);
  set_up(door, bind_to(SocketKind::pull, endpoint), system, false);
  {
    Context context(system);
    Socket peer(context, connect_to(SocketKind::push, endpoint));
    CHECK_FALSE(wait_for(peer, ZMQ_POLLOUT, 700));
  }
  zmq_pollitem_t item{door, 0, ZMQ_POLLIN, 0};
  CHECK(zmq_poll(&item, 1, 0) == 0);
  zmq_close(door);
  zmq_ctx_term(bare);
}

TEST_CASE("unix sockets carry no CURVE: their directory guards them") {
  const SocketDirectory directory;
  Context context(system_keys());
  Socket in(context, bind_to(SocketKind::pull, directory.ipc("a")));
  Context plain;
  Socket out(plain, connect_to(SocketKind::push, directory.ipc("a")));
  CHECK(send_in_time(out, {"hello"}));
  Message parts;
  CHECK(receive_in_time(in, parts));
}

TEST_CASE("the allow-list admits by door and key alone") {
  const KeyPair ann = minted();
  const auto system = system_keys({ann.public_key});
  const AllowList list(system);
  const auto own = key_bytes(system.own.public_key);
  const auto client = key_bytes(ann.public_key);
  CHECK(list.admits(kNodesDomain, own));
  CHECK(list.admits(kClientsDomain, own));
  CHECK(list.admits(kClientsDomain, client));
  CHECK_FALSE(list.admits(kNodesDomain, client));
  CHECK_FALSE(list.admits("", own));
  CHECK_FALSE(list.admits("global", own));
  CHECK_FALSE(list.admits(kClientsDomain, ""));
  CHECK_FALSE(list.admits(kClientsDomain, client.substr(1)));
  for (std::size_t bit = 0; bit < kKeyBytes * 8; ++bit) {
    std::string near = client;
    near[bit / 8] = static_cast<char>(near[bit / 8] ^ (1 << (bit % 8)));
    CHECK_FALSE(list.admits(kClientsDomain, near));
  }
}

TEST_CASE("only marked keys, and the system's own, may speak for every user") {
  const KeyPair ann = minted(), shop = minted();
  auto system = system_keys({ann.public_key, shop.public_key});
  system.trusted = {shop.public_key};
  const AllowList list(system);
  CHECK(list.trusts(key_bytes(system.own.public_key)));
  CHECK(list.trusts(key_bytes(shop.public_key)));
  CHECK_FALSE(list.trusts(key_bytes(ann.public_key)));
  CHECK_FALSE(list.trusts(""));
}

// --- files -----------------------------------------------------------------------------------

struct KeyFiles {
  KeyFiles() : key(directory.path() + "/system.key"), allow(directory.path() + "/allowed") {}
  std::string problem(const config::Curve& files) const {
    const auto read = read_curve(files);
    const auto* text = std::get_if<std::string>(&read);
    return text != nullptr ? *text : "";
  }
  static void write(const std::string& path, const std::string& text, mode_t mode) {
    std::ofstream(path) << text;
    REQUIRE(::chmod(path.c_str(), mode) == 0);
  }
  SocketDirectory directory;
  std::string key;
  std::string allow;
};

std::string text_of_file(const std::string& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST_CASE("a minted key file is private, is read back, and is never overwritten") {
  KeyFiles files;
  const auto made = make_key_file(files.key);
  REQUIRE(std::holds_alternative<KeyPair>(made));
  struct stat status {};
  REQUIRE(::stat(files.key.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  const auto read = read_curve({.key_file = files.key, .server_key = {}, .allow_file = {}});
  REQUIRE(std::holds_alternative<CurveOptions>(read));
  const auto& curve = std::get<CurveOptions>(read);
  CHECK(curve.own.public_key == std::get<KeyPair>(made).public_key);
  CHECK(curve.server_key == curve.own.public_key);
  const auto before = text_of_file(files.key);
  const auto again = make_key_file(files.key);
  REQUIRE(std::holds_alternative<std::string>(again));
  CHECK(std::get<std::string>(again).find("never overwritten") != std::string::npos);
  CHECK(text_of_file(files.key) == before);
}

TEST_CASE("a key file that others may read, or that holds no pair, is refused by name") {
  KeyFiles files;
  REQUIRE(std::holds_alternative<KeyPair>(make_key_file(files.key)));
  const config::Curve curve{.key_file = files.key, .server_key = {}, .allow_file = {}};
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0610, 0666}) {
    CAPTURE(mode);
    REQUIRE(::chmod(files.key.c_str(), mode) == 0);
    const auto problem = files.problem(curve);
    CHECK(problem.find("curve.key_file: " + files.key) == 0);
    CHECK(problem.find("chmod 600") != std::string::npos);
  }
  REQUIRE(::chmod(files.key.c_str(), 0600) == 0);
  const auto whole = text_of_file(files.key);
  const KeyPair other = minted();
  const std::string mixed =
      "public-key = \"" + other.public_key + "\"\nsecret-key = \"" + minted().secret_key + "\"\n";
  for (const auto& text : {std::string{}, whole.substr(0, whole.size() - 5), mixed,
                           std::string(5000, 'x'), std::string("public-key = \"\"")}) {
    KeyFiles::write(files.key, text, 0600);
    const auto problem = files.problem(curve);
    CHECK(problem.find("curve.key_file") == 0);
    CHECK(problem.find(other.secret_key) == std::string::npos);
  }
  const auto absent = files.problem(
      {.key_file = files.directory.path() + "/no", .server_key = {}, .allow_file = {}});
  CHECK(absent.find("stampede keys new") != std::string::npos);
  CHECK_FALSE(
      files.problem({.key_file = files.directory.path(), .server_key = {}, .allow_file = {}})
          .empty());
}

TEST_CASE("an allow-list is read line by line and refused with the line's number") {
  KeyFiles files;
  REQUIRE(std::holds_alternative<KeyPair>(make_key_file(files.key)));
  const config::Curve curve{.key_file = files.key, .server_key = {}, .allow_file = files.allow};
  const KeyPair ann = minted();
  const KeyPair bob = minted();
  KeyFiles::write(files.allow,
                  "# who may buy\n\n  " + ann.public_key + " ann\n" + bob.public_key + "\n", 0644);
  const auto read = read_curve(curve);
  REQUIRE(std::holds_alternative<CurveOptions>(read));
  std::vector<std::string> keys{ann.public_key, bob.public_key};
  std::sort(keys.begin(), keys.end());
  CHECK(std::get<CurveOptions>(read).clients == keys);
  CHECK(std::get<CurveOptions>(read).trusted.empty());
  KeyFiles::write(files.allow,
                  ann.public_key + " trusted by all\n" + bob.public_key + " bob trusted\n", 0644);
  const auto marked = read_curve(curve);
  REQUIRE(std::holds_alternative<CurveOptions>(marked));
  CHECK(std::get<CurveOptions>(marked).clients == keys);
  CHECK(std::get<CurveOptions>(marked).trusted == std::vector<std::string>{ann.public_key});
  KeyFiles::write(files.allow, "# x\n" + ann.public_key.substr(1) + "\n", 0644);
  CHECK(files.problem(curve).find(files.allow + ":2: no public key") != std::string::npos);
  KeyFiles::write(files.allow, ann.public_key, 0666);
  CHECK(files.problem(curve).find("written by others") != std::string::npos);
  REQUIRE(fs::remove(files.allow));
  CHECK(files.problem(curve).find("curve.allow_file") == 0);
}

TEST_CASE("a text is a key or it is not") {
  const KeyPair pair = minted();
  CHECK(key_bytes(pair.public_key).size() == kKeyBytes);
  CHECK(key_bytes("").empty());
  CHECK(key_bytes(pair.public_key + "a").empty());
  CHECK(key_bytes(std::string(40, ' ')).empty());
  CHECK(key_bytes(std::string(40, '\xff')).empty());
  CHECK(key_bytes(std::string(40, '#')).empty());  // more than 32 bits in five characters
}

}  // namespace
}  // namespace stampede::transport
