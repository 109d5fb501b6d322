// SPDX-License-Identifier: MIT
// Where a typed queue's items are received.
#include <gtest/gtest.h>
#include <polyproc/channel/queue_item.hpp>

#include <cstring>
#include <string>
#include <vector>

namespace polyproc {
namespace {

using StringReceiver = QueueItem<std::string>::Receiver;

TEST(QueueReceiver, KeepsItsPlaceWhenTheLongItemItPreparedForWentToAnother) {
  StringReceiver receiver;
  receiver.grow(receiver, 4000);
  receiver.reserve(receiver, 1 << 20);
  std::memset(receiver.data, 'x', 3000);
  receiver.size = 3000;
  EXPECT_EQ(std::move(receiver).item(), std::string(3000, 'x'));
}

TEST(QueueReceiver, TakesALongItemAfterAShortOneWasPreparedFor) {
  StringReceiver receiver;
  const std::string text(100'000, 'y');
  receiver.grow(receiver, 4000);
  receiver.reserve(receiver, text.size());
  receiver.assign(receiver, std::as_bytes(std::span(text)));
  receiver.size = text.size();
  EXPECT_EQ(std::move(receiver).item(), text);
}

}  // namespace
}  // namespace polyproc
