// SPDX-License-Identifier: MIT
#include "manager/native_peer.hpp"

#include <algorithm>
#include <array>

#include <polyproc/codec/decode_error.hpp>

namespace polyproc::inline v0 {

using native::Ask;
using native::Tell;

NativePeer::NativePeer(ServerContext& context, Wire& wire) : Peer(context, wire) {
  // What proxies of this server carry: by it a client tells them from those of others.
  tell(wire.offer_memory() ? Tell::memory : Tell::value, 0, context.address);
}

NativePeer::~NativePeer() {
  give_back();
  in_flight_.clear();
  for (const auto& [object, count] : references_)
    for (std::uint64_t i = 0; i < count; ++i) context_.objects.decrease(object);
}

void NativePeer::take(std::span<const std::byte> message) {
  const auto head = native::read_request(message);
  if (!head || head->ask < Ask::call || head->ask > Ask::memory ||
      message.size() - native::kRequestBytes < head->method_length)
    throw Error("a request that is none: it is closed");
  const auto method = message.subspan(native::kRequestBytes, head->method_length);
  switch (head->ask) {
    case Ask::increase:
      if (context_.objects.find(head->object) != nullptr) {
        context_.objects.increase(head->object);
        ++references_[head->object];
      }
      break;
    case Ask::decrease:
      give_up(head->object);
      break;
    case Ask::seen:
      in_flight_.erase(head->number);
      break;
    case Ask::memory:
      wire_.use_memory(head->object == 1);
      break;
    default:
      take_call(*head, {reinterpret_cast<const char*>(method.data()), method.size()},
                message.subspan(native::kRequestBytes + method.size()));
  }
  context_.objects.drop_ended();
}

void NativePeer::give_up(std::uint64_t object) {
  const auto found = references_.find(object);
  if (found == references_.end()) return;
  if (--found->second == 0) references_.erase(found);
  context_.objects.decrease(object);
}

void NativePeer::take_call(const native::RequestHead& head, std::string_view method,
                           std::span<const std::byte> pickle) {
  try {
    Object arguments = decode(pickle), keywords;
    if (head.ask == Ask::call_by_name) {
      if (arguments.kind() != Kind::tuple || arguments.size() != 2)
        throw PythonError("TypeError", "a call by name has (arguments, keywords)");
      keywords = arguments.items()[1];
      arguments = Object(arguments.items()[0]);
    }
    if (head.ask == Ask::control && method == "create")
      tell_shared(head.number, create(std::move(arguments)));
    else if (head.ask == Ask::control)
      answer_call(head.number, control(method, Arguments(method, std::move(arguments), {})));
    else
      call_object(head, method, std::move(arguments), std::move(keywords));
  } catch (const PythonError& error) {
    tell(Tell::exception, head.number, error.exception());
  } catch (const DecodeError& error) {
    if (!std::exchange(has_erred_, true))
      context_.log(LogLevel::warning,
                   fmt::format("{}: a request was refused: {}", wire_.name(), error.what()));
    tell(Tell::refusal, head.number, Object(error.what()));
  }
}

void NativePeer::call_object(const native::RequestHead& head, std::string_view method, Object arguments,
                             Object keywords) {
  const ObjectTable::Entry* entry = context_.objects.find(head.object);
  if (entry == nullptr) {
    tell(Tell::refusal, head.number,
         Object(fmt::format("there is no shared object {} (any more)", ident_of(head.object))));
    return;
  }
  if (is_waiting(head.number)) throw Error("two calls of one number: it is closed");
  if (method == "__str__" || method == "__repr__")
    return tell(Tell::value, head.number, entry->object->repr());
  if (method == "#GETVALUE") return answer_call(head.number, entry->object->value());
  const auto& exposed = entry->type->exposed;
  if (std::find(exposed.begin(), exposed.end(), method) == exposed.end()) throw_no_method(method);
  auto answer = run(*entry, method, head.number, head.thread,
                    Arguments(method, std::move(arguments), std::move(keywords)));
  if (answer) answer_call(head.number, std::move(*answer));
}

std::uint64_t NativePeer::create(Object arguments) {
  std::uint64_t number = 0;
  (void)Peer::create(Arguments("create", std::move(arguments), {}), number);
  return number;
}

// With the reference that the object came with.
void NativePeer::tell_shared(std::uint32_t number, std::uint64_t object) {
  ++references_[object];
  const SharedType& type = *context_.objects.find(object)->type;
  tell(Tell::shared, number, Object::tuple({object, type.name, exposed_of(type)}));
}

void NativePeer::answer_call(std::uint32_t number, Answer answer) {
  if (!answer.shared) return tell(Tell::value, number, answer.value);
  const SharedType* type = context_.objects.find_type(answer.typeid_name);
  tell_shared(number, context_.objects.add(*type, std::move(answer.shared)));
}

void NativePeer::send_result(std::uint64_t number, const Object& result) {
  tell(Tell::value, number, result);
}
void NativePeer::send_exception(std::uint64_t number, const Object& exception) {
  tell(Tell::exception, number, exception);
}

void NativePeer::tell(Tell kind, std::uint64_t number, const Object& value) {
  Writer& out = context_.writer;
  const auto write = [&](Tell as, const Object& what) {
    std::array<std::byte, native::kAnswerBytes> head;
    native::write_head(head, {as, static_cast<std::uint32_t>(number)});
    out.clear();
    out.write_raw(head);
    encode_pickle(what, out);
  };
  try {
    write(kind, value);
  } catch (const std::exception& error) {
    write(kind = Tell::refusal, Object(fmt::format("the answer cannot be sent: {}", error.what())));
  }
  const bool holds = kind == Tell::value && context_.objects.nested() != 0 &&
                     may_hold_proxies(out.bytes().subspan(native::kAnswerBytes));
  if (holds) {
    in_flight_[number] = value;
    write(Tell::proxies, value);
  }
  wire_.send(out.bytes());
}

}  // namespace polyproc::inline v0
