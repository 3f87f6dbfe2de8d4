fn main() -> std::process::ExitCode {
    footbridge::app::main()
}
