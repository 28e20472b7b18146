// Token and position embeddings: y[b, t] = table[token] + positions[first + t], and their gradients.
#include "core/expect.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {
namespace {

void check_tokens(const char* op, const In& tokens, int64_t vocab) {
  const int32_t* token = tokens.as<int32_t>();
  for (int64_t i = 0; i < tokens.shape.size(); ++i)
    if (token[i] < 0 || token[i] >= vocab)
      fail(Code::InvalidArgument, op, ": token ", token[i], " at row ", i / tokens.shape.width(), ", position ",
           i % tokens.shape.width(), "; the table has ", vocab, " rows");
}

}  // namespace

void CpuBackend::embed(Out y, In tokens, In table, In positions, int first) {
  const Expect op("embed");
  const int64_t rows = tokens.shape.size(), time = tokens.shape.width(), width = table.shape.width();
  op.flat("tokens", tokens, rows, DType::I32);
  op.dense("table", table, table.shape.rows(), width, op.compute("table", table));
  if (first < 0) fail(Code::InvalidArgument, "embed: first is ", first, ", expected 0 or more");
  op.table("positions", positions, first + time, width);
  op.dense("y", y, rows, width);
  check_tokens("embed", tokens, table.shape.rows());
  cpu::parallel_for(rows, cpu::chunk_rows(width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      kernels_.elementwise.add(y.row_of<float>(r), positions.row_of<float>(first + r % time),
                               cpu::row_of(table, tokens.as<int32_t>()[r]), width);
  });
}

// A token may occur anywhere, so the threads share columns, not rows: each adds its columns of all rows in their order.
void CpuBackend::embed_backward(Acc dtable, Acc dpositions, In dy, In tokens, int padding) {
  constexpr int64_t columns = 64;
  const Expect op("embed_backward");
  const int64_t rows = tokens.shape.size(), time = tokens.shape.width(), width = dy.shape.width();
  op.flat("tokens", tokens, rows, DType::I32);
  op.dense("dy", dy, rows, width);
  if (dtable) {
    op.table("dtable", dtable, 0, width);
    check_tokens("embed_backward", tokens, dtable.shape.rows());
    cpu::parallel_for(width, columns, [&](int64_t begin, int64_t end) {
      for (int64_t r = 0; r < rows; ++r) {
        const int32_t token = tokens.as<int32_t>()[r];
        if (token == padding) continue;
        float* to = dtable.row_of<float>(token) + begin;
        kernels_.elementwise.add(to, to, dy.row_of<float>(r) + begin, end - begin);
      }
    });
  }
  if (dpositions) {
    op.table("dpositions", dpositions, time, width);
    cpu::parallel_for(time, 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t)
        for (int64_t r = t; r < rows; r += time)
          kernels_.elementwise.add(dpositions.row_of<float>(t), dpositions.row_of<float>(t), dy.row_of<float>(r),
                                   width);
    });
  }
}

}  // namespace whisper
