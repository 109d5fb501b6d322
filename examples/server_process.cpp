// SPDX-License-Identifier: MIT
// A server process holds a list of records; one process adds a record, another one prints them all.
#include <polyproc/manager/manager.hpp>
#include <polyproc/polyproc.hpp>

#include <iostream>
#include <string>

struct Record {
  std::string name;
  int score;
};

void insert_record(const Record& record, const polyproc::ListProxy<Record>& records) {
  records.append(record);
  std::cout << "New record added!\n\n";
}

void print_records(const polyproc::ListProxy<Record>& records) {
  for (const Record& record : records)
    std::cout << "Name: " << record.name << "\nScore: " << record.score << "\n\n";
}

int main(int argc, char** argv) {
  polyproc::init(argc, argv);
  polyproc::Manager manager;
  const auto records = manager.list<Record>({{"Sam", 10}, {"Adam", 9}, {"Kevin", 9}});

  polyproc::Process p1(insert_record, Record{"Jeff", 8}, records);
  p1.start();
  p1.join();
  polyproc::Process p2(print_records, records);
  p2.start();
  p2.join();
  return *p1.exitcode() + *p2.exitcode();
}
