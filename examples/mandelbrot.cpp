// SPDX-License-Identifier: MIT
// mandelbrot [FILE]: the Mandelbrot set, computed by a pool into one shared array and by this process alone, byte for byte the same, as
// a PNG file (mandelbrot.png in the folder for temporary files).
#include <png.h>

#include <algorithm>
#include <complex>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <polyproc/polyproc.hpp>

constexpr std::uint32_t kWidth = 900;
constexpr std::uint32_t kHeight = 600;
constexpr int kMostSteps = 250;

void compute_row(std::uint32_t row, std::span<std::uint8_t> pixels) {
  for (std::uint32_t column = 0; column < kWidth; ++column) {
    const std::complex<double> c(-2.0 + 3.0 * column / kWidth, -1.0 + 2.0 * row / kHeight);
    std::complex<double> z;
    int steps = 0;
    while (steps < kMostSteps && std::norm(z) <= 4) {
      z = z * z + c;
      ++steps;
    }
    pixels[column] = static_cast<std::uint8_t>(steps == kMostSteps ? 0 : 255 - steps % 16 * 15);
  }
}

// A task: only the row's number and the array's handle are sent.
void compute_shared_row(std::uint32_t row, const polyproc::Array<std::uint8_t>& picture) {
  compute_row(row, picture.slice(std::size_t{row} * kWidth, std::size_t{row + 1} * kWidth));
}

void write_png(const std::string& file, std::span<const std::uint8_t> pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = kWidth;
  image.height = kHeight;
  image.format = PNG_FORMAT_GRAY;
  if (png_image_write_to_file(&image, file.c_str(), 0, pixels.data(), 0, nullptr) == 0)
    throw std::runtime_error("writing " + file + ": " + image.message);
}

int main(int argc, char** argv) {
  polyproc::init(argc, argv);
  const std::string file = argc > 1 ? argv[1] : std::filesystem::temp_directory_path() / "mandelbrot.png";

  const polyproc::Array<std::uint8_t> picture(std::size_t{kWidth} * kHeight);
  polyproc::Pool pool;
  std::vector<std::pair<std::uint32_t, polyproc::Array<std::uint8_t>>> rows;
  for (std::uint32_t row = 0; row < kHeight; ++row) rows.emplace_back(row, picture);
  pool.starmap(compute_shared_row, rows, {.chunk_size = 10});

  std::vector<std::uint8_t> alone(picture.size());
  for (std::uint32_t row = 0; row < kHeight; ++row)
    compute_row(row, std::span(alone).subspan(std::size_t{row} * kWidth, kWidth));

  const bool same = std::ranges::equal(picture, alone);
  write_png(file, picture.span());
  std::cout << kWidth << " x " << kHeight << " pixels by a pool and by one process are "
            << (same ? "the same" : "NOT the same") << '\n';
  std::cerr << "(written to " << file << ")\n";
  return same ? 0 : 1;
}
