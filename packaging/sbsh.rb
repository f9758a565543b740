# From a checkout: cargo package --no-verify && brew install --build-from-source packaging/sbsh.rb
class Sbsh < Formula
  desc "Login shell for agent sessions: every command runs in an OS sandbox"
  url "file://#{File.expand_path("../target/package/sbsh-0.1.0.crate", __dir__)}"
  version "0.1.0"
  license "MIT"

  depends_on "rust" => :build

  on_linux do
    depends_on "bubblewrap"
  end

  def install
    system "cargo", "build", "--release", "--locked", "--bin", "sbsh"
    system "./install.sh", "--prefix", prefix, "--binary", "target/release/sbsh", "--no-deps"
    # Homebrew keeps the record, and has a place of its own for bash's completions.
    rm lib/"sbsh/installed"
    bash_completion.install (share/"bash-completion/completions").children
  end

  test do
    assert_equal "sbsh #{version}\n", shell_output("#{bin}/sbsh --version")
    assert_match "usage: sbshctl", shell_output("#{bin}/sbshctl help")
  end
end
